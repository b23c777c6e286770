import type { Redis } from "lodis";
import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import type { Store } from "../store.js";
import { callsOf, clientOf, type Info, infoOf, keysOf, numberOf } from "./info.js";
import { Plot } from "./plot.js";
import { clientsTable, type SlowEntry, slowTable } from "./tables.js";
import "./dashboard.css";

const EVERY_MS = 1000;
const SLOW_MAX = 10;

const count = (value: number): string => Math.round(value).toLocaleString("en");
const perSecond = (value: number): string => `${count(value)} /s`;

/** What happens in the store, second by second, as the tab that leads counts it. */
export class DashboardView {
  readonly element = element("section", { class: "dashboard", ariaLabel: "Dashboard" });
  private readonly plots = {
    commands: new Plot("Commands", perSecond),
    memory: new Plot("Memory", sizeOf),
    keys: new Plot("Keys", count),
    hits: new Plot("Hit rate", (value) => `${value.toFixed(0)} %`),
    gone: new Plot("Expired and evicted", perSecond),
    messages: new Plot("Messages published", perSecond),
    log: new Plot("Log", sizeOf),
    unsynced: new Plot("Not stored yet", sizeOf),
  };
  private readonly clients = element("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Clients" });
  private readonly slow = element("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: "Slow commands" });
  private readonly news = element("p", { role: "status" });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last: { readonly info: Info; readonly atMs: number } | undefined;
  private visit = 0;
  private self: string | undefined;

  constructor(private readonly store: Store) {
    const leave = element("button", { type: "button", class: "plain", on: { click: () => void this.dismiss() } }, "Have the leading tab leave");
    this.element.append(
      element("h2", {}, "What happens"),
      element("div", { class: "plots" }, ...Object.values(this.plots).map((plot) => plot.element)),
      element("div", { class: "leading" }, leave, this.news),
      this.clients,
      this.slow,
    );
  }

  show(): void {
    this.hide();
    void this.measure(++this.visit);
  }

  hide(): void {
    this.visit++;
    clearTimeout(this.timer);
    this.last = undefined;
  }

  private async measure(visit: number): Promise<void> {
    try {
      const redis = await this.store.second();
      if (!document.hidden) await this.look(redis, visit);
    } catch {
      // The tab that leads is leaving, or a transaction is open where there is only one client: the next time.
    }
    if (visit !== this.visit) return;
    this.timer = setTimeout(() => void this.measure(visit), EVERY_MS);
  }

  private async look(redis: Redis, visit: number): Promise<void> {
    const [text, clients, slow, id] = (await redis.pipeline().info("everything").clientList().slowlogGet(SLOW_MAX).clientId().exec()) as [string, string, SlowEntry[], number];
    if (visit !== this.visit) return;
    this.self = String(id);
    this.draw(infoOf(text));
    this.clients.replaceChildren(clientsTable(clients.split("\n").filter((line) => line !== "").map(clientOf), this.self));
    this.slow.replaceChildren(slowTable(slow));
  }

  private draw(info: Info): void {
    const { last, plots } = this;
    const atMs = performance.now();
    this.last = { info, atMs };
    const number = (name: string): number => numberOf(info, name);
    // Another tab that leads counts from 0.
    const isSame = last?.info.get("run_id") === info.get("run_id");
    const rate = (of: (info: Info) => number): number =>
      last && isSame ? Math.max(0, ((of(info) - of(last.info)) * 1000) / (atMs - last.atMs)) : 0;
    const [hits, misses] = [number("keyspace_hits"), number("keyspace_misses")];
    const limit = number("maxmemory");
    plots.commands.add(rate((one) => numberOf(one, "total_commands_processed")), `${count(number("total_commands_processed"))} so far`);
    plots.memory.add(number("used_memory"), limit > 0 ? `of ${sizeOf(limit)}, ${info.get("maxmemory_policy")}` : "no limit");
    plots.keys.add(keysOf(info));
    plots.hits.add(hits + misses > 0 ? (100 * hits) / (hits + misses) : 0, `${count(hits)} hits, ${count(misses)} misses`);
    plots.gone.add(rate((one) => numberOf(one, "expired_keys") + numberOf(one, "evicted_keys")), `${count(number("expired_keys"))} expired, ${count(number("evicted_keys"))} evicted`);
    plots.messages.add(rate((one) => callsOf(one, "publish") + callsOf(one, "spublish")), `${count(number("pubsub_channels"))} channels`);
    const isKept = number("aof_enabled") === 1;
    plots.log.add(number("aof_current_size"), isKept ? `${sizeOf(number("aof_base_size"))} after the last rewrite` : "nothing is kept: appendonly no");
    plots.unsynced.add(number("aof_buffer_length"));
  }

  private async dismiss(): Promise<void> {
    if (this.store.redis.topology === "single") {
      this.news.textContent = "This page is alone with its data: there is nobody to take over.";
      return;
    }
    const began = performance.now();
    const redis = await this.store.second();
    await this.store.dismissLeader();
    await redis.ping();
    this.news.textContent = `It has left; ${Math.round(performance.now() - began)} ms later another one answered.`;
  }
}
