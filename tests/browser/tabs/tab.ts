// Tabs of one browser, and what a test wants of them, whatever the browser.
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { PKG } from "../browser.js";
import { serveFolder } from "../serving.js";

/** A tab that shows `pages/tabs.js`, in a process of its own. */
export interface Tab {
  readonly id: string;
  /** Calls a function of `globalThis.tab`. */
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  /** Kills its process, as a crash would: it sees no event, and is gone. */
  kill(): Promise<void>;
  /** Stops its process, or has it go on. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Closes it as a user does. */
  close(): Promise<void>;
  /** Shows another page of the same site in it. */
  leave(): Promise<void>;
  /** Goes back to the page that it has left. */
  back(): Promise<void>;
  reload(): Promise<void>;
}

/** A browser, all of whose tabs share storage. */
export interface Browser {
  /** Opens a tab with that page. */
  open(id: string, url: string): Promise<Tab>;
  /** What went wrong in it that no test has asked for, as far as it tells. */
  readonly problems: readonly string[];
  end(): Promise<void>;
}

/** What `look` answers. */
export interface Look {
  readonly role: string;
  readonly running: boolean;
  readonly failure?: string | null;
  readonly waiting: number;
  readonly oldest: string;
  readonly progress: number;
  readonly holds?: boolean;
  readonly spoiled?: number;
  readonly loads?: string;
  readonly wrong?: string;
  readonly token?: number;
  readonly later?: { readonly reply?: unknown; readonly error?: string };
}

/** A promise may take so long, on a machine that is not ours alone, before it is said to hang. */
const PATIENCE_MS = 25_000;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Serves the page of the tabs, and one that does not know of Lodis. */
export async function serveTabs() {
  const page = (file: string) => readFile(new URL(`../pages/${file}`, import.meta.url), "utf8");
  const html = '<!doctype html><title>tabs</title><link rel="icon" href="data:,">';
  return serveFolder(PKG, {
    "/tabs": `${html}<script type="module" src="/tabs.js"></script>`,
    "/elsewhere": html,
    "/tabs.js": await page("tabs.js"),
    "/tabs-jobs.js": await page("tabs-jobs.js"),
    "/patterns-jobs.js": await page("patterns-jobs.js"),
  });
}

/** The tabs that share one name. */
export class Group {
  readonly live: Tab[] = [];
  /** The ids of tabs that are gone. */
  readonly dead = new Set<string>();
  private opened = 0;

  constructor(
    private readonly browser: Browser,
    private readonly url: string,
    readonly name: string,
    private readonly options: object = {},
  ) {}

  /** Opens a tab, once its instance is open. */
  async open(options: object = this.options): Promise<Tab> {
    const id = `t${++this.opened}`;
    const settings = encodeURIComponent(JSON.stringify({ id, name: this.name, options }));
    const tab = await this.browser.open(id, `${this.url}tabs?${settings}`);
    this.live.push(tab);
    return tab;
  }

  async openMany(count: number): Promise<Tab[]> {
    const tabs: Tab[] = [];
    while (tabs.length < count) tabs.push(await this.open());
    return tabs;
  }

  /** Looks at a tab; throws if its job failed, or it waits for an answer for too long. */
  async look(tab: Tab): Promise<Look> {
    const look = await tab.call<Look>("look");
    if (look.failure) throw new Error(`${tab.id}: ${look.failure}`);
    if (look.waiting > PATIENCE_MS) throw new Error(`${tab.id}: no answer to ${look.oldest}`);
    return look;
  }

  async looks(tabs: readonly Tab[] = this.live): Promise<Look[]> {
    const looks: Look[] = [];
    for (const tab of tabs) looks.push(await this.look(tab));
    return looks;
  }

  /** The tab that has the data, once there is one and it is one of these. */
  async leader(): Promise<Tab> {
    let roles: string[] = [];
    const led = async () => {
      const looks = await this.looks();
      roles = looks.map(({ role }) => role);
      return this.live[roles.indexOf("leader")];
    };
    return until("a leader", led).catch((error: Error) => {
      throw new Error(`${error.message}: the tabs are ${roles.join(", ") || "gone"}`, { cause: error });
    });
  }

  /** A tab that has not got the data. */
  async follower(): Promise<Tab> {
    const leader = await this.leader();
    return this.live.find((tab) => tab !== leader)!;
  }

  /** Has a tab end in that way. */
  async lose(tab: Tab, how: "kill" | "close" | "leave"): Promise<void> {
    this.live.splice(this.live.indexOf(tab), 1);
    this.dead.add(tab.id);
    await tab[how]();
  }

  /** Waits until the jobs of all tabs are done. */
  async finished(tabs: readonly Tab[] = this.live): Promise<void> {
    await until("the end of all jobs", async () => {
      const looks = await this.looks(tabs);
      return looks.every(({ running }) => !running) || undefined;
    });
  }

  /** Sees that nothing went wrong in the pages that are left. */
  async expectNoProblems(): Promise<void> {
    for (const tab of this.live) expect(await tab.call("problems"), `what went wrong in ${tab.id}`).toEqual([]);
  }

  /** Closes all tabs that are left. */
  async end(): Promise<void> {
    for (const tab of this.live.splice(0)) await tab.close();
  }
}

/** Asks again and again until there is an answer. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>, ms = 120_000): Promise<T> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pause(20);
  }
  throw new Error(`waited for ${what}`);
}

/** Waits until what `ask` answers is that. */
export async function becomes<T>(ask: () => Promise<T>, wanted: T): Promise<void> {
  await expect.poll(ask, { timeout: PATIENCE_MS, interval: 20 }).toEqual(wanted);
}
