// Tabs in Firefox, each in a content process of its own.
import { vi } from "vitest";
import { signal } from "../browser/browser.js";
import type { Browser, Tab } from "../browser/tabs/tab.js";
import { WebDriver } from "./webdriver.js";

const PREFERENCES = {
  // Tabs of one site share a few processes otherwise.
  "dom.ipc.processCount": 100,
  "dom.ipc.processCount.webIsolated": 100,
  // A process that is there before there is a tab for it.
  "dom.ipc.processPrelaunch.enabled": false,
  // Nothing is asked of anyone on the net.
  "network.proxy.type": 0,
  "app.update.enabled": false,
  "browser.tabs.remote.autostart": true,
};

/** The driver holds up everything else while a script runs in a tab: it may take so long. */
const SCRIPT_MS = 30_000;

export class Firefox implements Browser {
  readonly problems: readonly string[] = [];

  private constructor(
    private readonly driver: WebDriver,
    /** The tab that there is from the beginning: commands need one that is there. */
    private readonly home: string,
  ) {}

  static async start(): Promise<Firefox> {
    // The process of a tab is known to the browser alone.
    const driver = await WebDriver.start(process.env.GECKODRIVER ?? "geckodriver", ["--allow-system-access"], {
      browserName: "firefox",
      "moz:firefoxOptions": {
        binary: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
        args: ["-headless"],
        prefs: PREFERENCES,
      },
      timeouts: { script: SCRIPT_MS, pageLoad: SCRIPT_MS },
    });
    const home = await driver.send<string>("GET", "/window");
    // The driver has the browser end with the first process that crashes.
    await privileged(driver, 'Services.env.set("MOZ_CRASHREPORTER_SHUTDOWN", "")');
    return new Firefox(driver, home);
  }

  async open(id: string, url: string): Promise<Tab> {
    const { driver, home } = this;
    const handle = await driver.together(async () => {
      await driver.send("POST", "/window", { handle: home });
      const { handle } = await driver.send<{ handle: string }>("POST", "/window/new", { type: "tab" });
      await driver.send("POST", "/window", { handle });
      await driver.send("POST", "/url", { url });
      return handle;
    });
    const tab = new FirefoxTab(id, driver, handle);
    await tab.ready();
    return tab;
  }

  end(): Promise<void> {
    return this.driver.end();
  }
}

/** Runs a script as a part of the browser, which no other command may come into. */
async function privileged<T>(driver: WebDriver, script: string): Promise<T> {
  await driver.send("POST", "/moz/context", { context: "chrome" });
  try {
    return await driver.send<T>("POST", "/execute/sync", { script, args: [] });
  } finally {
    await driver.send("POST", "/moz/context", { context: "content" });
  }
}

class FirefoxTab implements Tab {
  private pid: number | undefined;

  constructor(
    readonly id: string,
    private readonly driver: WebDriver,
    private readonly handle: string,
  ) {}

  async ready(): Promise<void> {
    await vi.waitFor(
      async () => {
        const opened = await this.script<unknown>("return globalThis.opened");
        if (opened !== true) throw new Error(`${this.id}: ${opened}`);
      },
      { timeout: SCRIPT_MS },
    );
    const pid = "return gBrowser.selectedBrowser.browsingContext.currentWindowGlobal.osPid";
    this.pid = await this.inTab(() => privileged<number>(this.driver, pid));
  }

  /** Runs commands that concern this tab. */
  private inTab<T>(commands: () => Promise<T>): Promise<T> {
    return this.driver.together(async () => {
      await this.driver.send("POST", "/window", { handle: this.handle });
      return commands();
    });
  }

  private script<T>(script: string, ...args: unknown[]): Promise<T> {
    return this.inTab(() => this.driver.send<T>("POST", "/execute/sync", { script, args }));
  }

  call<T>(name: string, ...args: unknown[]): Promise<T> {
    // A promise that is answered is waited for.
    return this.script("const [name, args] = arguments; return globalThis.tab[name](...args)", name, args);
  }

  async kill(): Promise<void> {
    signal(this.pid!, "SIGKILL");
    await vi.waitFor(() => {
      if (signal(this.pid!, 0)) throw new Error(`${this.pid} lives on`);
    });
    await this.close();
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    signal(this.pid!, name);
  }

  async close(): Promise<void> {
    await this.inTab(() => this.driver.send("DELETE", "/window"));
  }

  async leave(): Promise<void> {
    const url = await this.script<string>("return new URL('/elsewhere', location.href).href");
    await this.inTab(() => this.driver.send("POST", "/url", { url }));
  }

  async back(): Promise<void> {
    await this.inTab(() => this.driver.send("POST", "/back"));
    await this.ready();
  }

  async reload(): Promise<void> {
    await this.inTab(() => this.driver.send("POST", "/refresh"));
    await this.ready();
  }
}
