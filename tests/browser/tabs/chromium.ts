// Tabs in Chromium, each in a renderer of its own.
import type { Page } from "playwright-core";
import { end, launch, launchPlain, type Profile, processes, signal } from "../browser.js";
import type { Browser, Tab } from "./tab.js";

const ARGS = [
  // A renderer that is there before there is a page for it could not be told from that of a new page.
  "--disable-features=SpareRendererForSitePerProcess",
  "--renderer-process-limit=100",
];

/** Playwright switches the back/forward cache off. */
const WITHOUT = ["--disable-back-forward-cache"];

export class Chromium implements Browser {
  private opening: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly profile: Profile,
    readonly end: () => Promise<void>,
  ) {}

  /** All tabs are as if somebody looked at them. */
  static async start(): Promise<Chromium> {
    const profile = await launch(undefined, { args: ARGS, ignoreDefaultArgs: WITHOUT });
    return new Chromium(profile, () => end(profile));
  }

  /** Only the last tab is looked at: the others have less time, and may be frozen. */
  static async startPlain(): Promise<Chromium> {
    const profile = await launchPlain(ARGS);
    return new Chromium(profile, profile.stop);
  }

  get problems(): readonly string[] {
    return this.profile.problems;
  }

  /** One after the other: the renderer that there was not before is the new page's. */
  open(id: string, url: string): Promise<ChromiumTab> {
    const opened = this.opening.then(async () => {
      const before = await processes(this.profile, "renderer");
      const page = await this.profile.context.newPage();
      const after = await processes(this.profile, "renderer");
      const added = after.filter((pid) => !before.includes(pid));
      if (added.length !== 1) throw new Error(`a new page has ${added.length} new renderers`);
      const tab = new ChromiumTab(id, page, added[0]!);
      await tab.show(url);
      return tab;
    });
    this.opening = opened.catch(() => {});
    return opened;
  }
}

export class ChromiumTab implements Tab {
  constructor(
    readonly id: string,
    readonly page: Page,
    private readonly pid: number,
  ) {}

  async show(url: string): Promise<void> {
    await this.page.goto(url);
    await this.ready();
  }

  private async ready(): Promise<void> {
    const opened = await this.page.waitForFunction(() => (globalThis as { opened?: unknown }).opened);
    if ((await opened.jsonValue()) !== true) throw new Error(`${this.id}: ${await opened.jsonValue()}`);
  }

  call<T>(name: string, ...args: unknown[]): Promise<T> {
    return this.page.evaluate(([name, args]) => (globalThis as any).tab[name](...args), [name, args] as const);
  }

  async kill(): Promise<void> {
    const crash = this.page.waitForEvent("crash");
    signal(this.pid, "SIGKILL");
    await crash;
    await this.page.close();
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    signal(this.pid, name);
  }

  async close(): Promise<void> {
    await this.page.close();
  }

  async leave(): Promise<void> {
    await this.page.goto(new URL("/elsewhere", this.page.url()).href);
  }

  /** Playwright waits in vain for a page that was kept to load. */
  async back(): Promise<void> {
    await this.page.evaluate(() => history.back());
    await this.page.waitForURL("**/tabs?*", { waitUntil: "commit" }).catch(() => {});
    await this.ready();
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.ready();
  }
}
