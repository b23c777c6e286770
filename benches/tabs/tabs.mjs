// Tabs of one browser, each in a renderer of its own.
import { setTimeout as pause } from "node:timers/promises";
import { launch } from "../browser.mjs";

const FLAGS = [
  // A renderer that is there before there is a page for it could not be told from that of a new page.
  "--disable-features=SpareRendererForSitePerProcess",
  "--renderer-process-limit=100",
];
const PATIENCE_MS = 10_000;

/** What all clocks are compared with. */
export const now = () => performance.timeOrigin + performance.now();

export class Tabs {
  #names = 0;

  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
  }

  static async launch() {
    const browser = await launch(new URL("./page.mjs", import.meta.url), FLAGS);
    return new Tabs(browser, await browser.newBrowserSession());
  }

  get version() {
    return this.browser.version;
  }

  end() {
    return this.browser.close();
  }

  /** A name that no store has. */
  newName(what) {
    return `${what} ${++this.#names}`;
  }

  async #renderers() {
    const { processInfo } = await this.session.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  }

  /** A tab that has opened nothing yet. */
  async open() {
    const before = new Set(await this.#renderers());
    const page = await this.browser.newPage("tab");
    // That of the blank page that was there before ends a little later.
    for (const end = Date.now() + PATIENCE_MS; ; await pause(10)) {
      const added = (await this.#renderers()).filter((pid) => !before.has(pid));
      if (added.length === 1) return new Tab(page, added[0]);
      if (Date.now() > end) throw new Error(`a new page has ${added.length} new renderers`);
    }
  }

  /** So many tabs that share `name`, once all of them have their copy; the first one leads. */
  async openMany(count, name, options) {
    const tabs = [];
    for (let i = 0; i < count; i++) {
      const tab = await this.open();
      await tab.call("join", name, options, i === 0 ? "leader" : "replica");
      tabs.push(tab);
    }
    return tabs;
  }
}

class Tab {
  constructor(page, pid) {
    this.page = page;
    this.pid = pid;
  }

  /** Calls a function of `globalThis.bench`. */
  call(name, ...args) {
    return this.page.evaluate(([name, args]) => globalThis.bench[name](...args), [name, args]);
  }

  close() {
    return this.page.close();
  }

  /** Kills its process, as a crash would. */
  async kill() {
    const crash = this.page.waitForEvent("crash");
    process.kill(this.pid, "SIGKILL");
    await crash;
    await this.page.close();
  }

  /** By how many milliseconds its clock is ahead of the one here. */
  async clock() {
    let [best, ahead] = [Infinity, 0];
    for (let i = 0; i < 20; i++) {
      const begun = now();
      const there = await this.call("now");
      const ended = now();
      if (ended - begun < best) [best, ahead] = [ended - begun, there - (begun + ended) / 2];
    }
    return ahead;
  }
}
