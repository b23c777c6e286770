import { element } from "../element.js";
import type { Client } from "./client.js";
import { type Info, infoOf } from "./info.js";
import { write } from "./plot.js";

/** A tab that is asleep hears nothing. */
const PATIENCE_MS = 10_000;

const ROLES = {
  leader: "This tab leads: it runs every write.",
  replica: "Another tab leads; this one reads a copy of its own.",
  thin: "Another tab leads; this one has no copy, and asks it for everything.",
  alone: "This page is alone with its data.",
} as const;

/** Who leads, and a way to see another tab take over. */
export class Leading {
  readonly element: HTMLElement;
  private readonly who = element("p");
  private readonly news = element("p", { role: "status" });
  private runId = "";
  private changes = 0;

  constructor(private readonly client: Client) {
    const leave = element("button", { type: "button", class: "plain", on: { click: () => void this.dismiss() } }, "Have the leading tab leave");
    this.element = element(
      "section",
      { class: "card", ariaLabel: "Tabs" },
      element("h3", {}, "Tabs"),
      this.who,
      element("p", { class: "hint" }, "When the tab that leads goes, another one takes over with everything that was acknowledged. Open a second tab, make load, and see it happen."),
      leave,
      this.news,
    );
  }

  show(info: Info): void {
    const runId = info.get("run_id") ?? "";
    if (this.runId !== "" && this.runId !== runId) this.changes++;
    this.runId = runId;
    const { role } = this.client.store.redis;
    const connected = Number(info.get("connected_clients"));
    const since = this.changes === 0 ? "" : ` Another tab has taken over ${this.changes === 1 ? "once" : `${this.changes} times`} since the dashboard was opened.`;
    write(this.who, `${ROLES[role]} ${connected === 1 ? "One client is" : `${connected} clients are`} connected.${since}`);
  }

  private async dismiss(): Promise<void> {
    const { client, news } = this;
    if (client.isShared) {
      news.textContent = "This page is alone with its data: there is nobody to take over.";
      return;
    }
    try {
      const before = await this.leader();
      const began = performance.now();
      await client.store.dismissLeader();
      while ((await this.leader().catch(() => before)) === before) {
        if (performance.now() - began > PATIENCE_MS) {
          news.textContent = "It has not left: the browser may have put that tab to sleep. Look at it, and try again.";
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      news.textContent = `It has left; ${Math.round(performance.now() - began)} ms later another one answered.`;
    } catch (error) {
      news.textContent = (error as Error).message;
    }
  }

  /** Another one, whenever another tab leads, or the same one anew. */
  private async leader(): Promise<string | undefined> {
    return infoOf(String(await this.client.run("INFO", "server"))).get("run_id");
  }
}
