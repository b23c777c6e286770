import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { expect, vi } from "vitest";

export const WWW = fileURLToPath(new URL("../../www/dist", import.meta.url));
export const PKG = fileURLToPath(new URL("../../pkg/dist", import.meta.url));

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

type LaunchOptions = NonNullable<Parameters<typeof chromium.launchPersistentContext>[1]>;

/** Has pages keep no history in the store, as after `history off`: it is a key among others. */
export async function withoutHistory({ context }: Profile): Promise<void> {
  // A blank page has no storage.
  await context.addInitScript(() => location.protocol === "http:" && localStorage.setItem("lodis-terminal:history", "off"));
}

/** A profile folder of its own, and what went wrong in its pages. */
export interface Profile {
  readonly folder: string;
  context: BrowserContext;
  readonly problems: string[];
}

/** Starts Chromium with a profile; pages may speak to 127.0.0.1 only, and must not complain. */
export async function launch(folder?: string, { args = [], ...options }: LaunchOptions = {}): Promise<Profile> {
  const place = folder ?? (await mkdtemp(join(tmpdir(), "lodis-browser-")));
  const context = await chromium.launchPersistentContext(place, {
    executablePath: CHROMIUM,
    headless: true,
    args: [...FLAGS, ...args],
    ...options,
  });
  return { folder: place, context, problems: problemsOf(context) };
}

/**
 * Starts Chromium as a user does: pages that are not looked at are hidden, and may be frozen. `stop` ends
 * it.
 */
export async function launchPlain(args: readonly string[] = []): Promise<Plain> {
  for (let left = LAUNCHES; ; ) {
    try {
      return await launchPlainOnce(args);
    } catch (error) {
      // Now and then, on a machine that is very busy, the first page of a browser never answers.
      if (--left === 0) throw error;
    }
  }
}

type Plain = Profile & { stop(): Promise<void> };

const LAUNCHES = 3;
const CONNECT_MS = 15_000;

async function launchPlainOnce(args: readonly string[]): Promise<Plain> {
  const folder = await mkdtemp(join(tmpdir(), "lodis-browser-"));
  const places = [`--user-data-dir=${folder}`, "--headless", "--remote-debugging-port=0"];
  const program = spawn(CHROMIUM, [...FLAGS, ...args, ...places], { stdio: "ignore" });
  const exit = new Promise((resolve) => program.once("exit", resolve));
  const stop = async () => {
    program.kill("SIGTERM");
    await exit;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const port = await vi.waitFor(
      async () => /^\d+(?=\n)/.exec(await readFile(join(folder, "DevToolsActivePort"), "utf8"))![0],
      { timeout: 30_000 },
    );
    const options = { noDefaults: true, timeout: CONNECT_MS };
    const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, options);
    const context = browser.contexts()[0]!;
    return { folder, context, problems: problemsOf(context), stop: () => browser.close().then(stop) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What goes wrong in pages from now on. */
function problemsOf(context: BrowserContext): string[] {
  const problems: string[] = [];
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  context.on("weberror", (error) => problems.push(String(error.error())));
  context.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1") problems.push(`request to ${hostname}`);
  });
  return problems;
}

/** The processes of a browser of one type: `browser`, `renderer`, `storage.mojom.StorageService`, … */
export async function processes({ context }: Profile, type: string): Promise<number[]> {
  const session = await context.browser()!.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter((process) => process.type === type).map(({ id }) => id);
}

/** Kills the processes of all pages of a browser, as a crash would: the pages see no event, and are gone. */
export async function killPages(profile: Profile): Promise<void> {
  const { context } = profile;
  const pages = context.pages();
  // A blank page of Chromium's own shares a process with others, or has none.
  const crashed = pages.filter((page) => page.url() !== "about:blank").map((page) => page.waitForEvent("crash"));
  for (const pid of await processes(profile, "renderer")) signal(pid, "SIGKILL");
  await Promise.all(crashed);
  await Promise.all(pages.map((page) => page.close()));
}

/** Kills a browser, as a crash would, and starts another one with its profile. */
export async function killBrowser(profile: Profile): Promise<Profile> {
  const { context, folder, problems } = profile;
  const pids = await processes(profile, "browser");
  const closed = new Promise((resolve) => context.once("close", resolve));
  for (const pid of pids) signal(pid, "SIGKILL");
  await closed;
  // The next browser must not find this one's lock held by a process that is about to end.
  await expect.poll(() => pids.some((pid) => signal(pid, 0)), { timeout: 10_000 }).toBe(false);
  const next = await launch(folder);
  next.problems.push(...problems);
  return next;
}

/** Sends a signal; answers whether the process is there. */
export function signal(pid: number, name: "SIGKILL" | "SIGSTOP" | "SIGCONT" | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Ends the browser and removes its profile. */
export async function end(profile: Profile): Promise<void> {
  await profile.context.close().catch(() => {});
  await rm(profile.folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The playground in a page, as a user uses it. */
export class Playground {
  constructor(readonly page: Page) {}

  /** Opens the playground in a new tab, once it answers. */
  static async open(profile: Profile, url: string): Promise<Playground> {
    const playground = new Playground(await profile.context.newPage());
    await playground.page.goto(url);
    await playground.ready();
    return playground;
  }

  async ready(): Promise<void> {
    await this.page.locator(".note", { hasText: "Type a command" }).waitFor();
  }

  /** Types a command and Enter; answers the text of the replies to it. */
  async type(command: string): Promise<string> {
    const replies = this.page.locator(".reply");
    const before = await replies.count();
    await this.page.getByLabel("Command", { exact: true }).fill(command);
    await this.page.keyboard.press("Enter");
    await replies.nth(before).waitFor();
    return textOf(this.page, before);
  }

  /** The text of messages that have arrived. */
  messages(): Promise<string[]> {
    return this.page.locator(".message").evaluateAll((all) =>
      all.map((entry) => [...entry.querySelectorAll(".line")].map((line) => line.textContent).join("\n")),
    );
  }

  status(): Promise<string> {
    return this.page.locator("#persistence").innerText();
  }

  async saved(): Promise<void> {
    await this.page.locator('#persistence[data-state="saved"]').waitFor();
  }
}

function textOf(page: Page, from: number): Promise<string> {
  return page.locator(".reply").evaluateAll(
    (all, start) =>
      all
        .slice(start)
        .flatMap((entry) => [...entry.querySelectorAll(".line")].map((line) => line.textContent))
        .join("\n"),
    from,
  );
}
