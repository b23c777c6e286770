// Pages and browsers killed while they write: what was acknowledged is there, and what is there is what
// was written, in order, with no holes.
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { end, killBrowser, killPages, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const KILLS = Number(process.env.LODIS_KILLS ?? 10);
const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));
/** Each mode with a killed page and a killed browser, in turn. */
const MODES = ["always", "everysec", "always", "no"] as const;
/** So many kills go by before a new store is begun. */
const STORE_KILLS = 20;
/** How long a page writes on after its first writes were acknowledged, at most. */
const WRITING_MS = 1200;
/** The kills that hit a page while it opens the store: one of so many, within this time. */
const OPENING = 5;
const OPENING_MS = 400;

/** What a page tells. */
interface Told {
  /** After how many steps the store was when it was opened. */
  steps?: number;
  baseSize?: number;
  /** So many steps are stored. */
  acknowledged?: number;
  isRewriting?: boolean;
}

declare global {
  // `pages/kills.js`
  function run(name: string, seed: number, appendfsync: string): Promise<never>;
}

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  const page = await readFile(new URL("pages/kills.js", import.meta.url), "utf8");
  const html = '<!doctype html><title>kills</title><link rel="icon" href="data:,">';
  server = await serveFolder(PKG, { "/kills": `${html}<script type="module" src="/kills.js"></script>`, "/kills.js": page });
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A page that writes into a store until it is killed. */
class Writer {
  steps = -1;
  acknowledged = -1;
  baseSize = 0;
  isRewriting = false;
  private readonly waiting: (() => void)[] = [];
  /** Why the page has stopped; does not settle while it writes. */
  stopped: Promise<unknown> = new Promise(() => {});

  static async begin(store: string, seed: number, mode: string): Promise<Writer> {
    const writer = new Writer();
    const page = await profile.context.newPage();
    await page.exposeBinding("tell", (_, told: Told) => writer.hear(told));
    await page.goto(`${server.url}kills`);
    await page.waitForFunction(() => "run" in globalThis);
    // It ends with the page, or says what is wrong.
    const run = page.evaluate(([store, seed, mode]) => globalThis.run(store, seed, mode), [store, seed, mode] as const);
    writer.stopped = run.catch((error: unknown) => error);
    return writer;
  }

  private hear({ steps, baseSize, acknowledged, isRewriting }: Told): void {
    this.steps = steps ?? this.steps;
    this.baseSize = baseSize ?? this.baseSize;
    this.acknowledged = acknowledged ?? this.acknowledged;
    this.isRewriting = isRewriting ?? this.isRewriting;
    for (const look of this.waiting.splice(0)) look();
  }

  /** Waits until `is` holds. */
  async until(is: () => boolean): Promise<void> {
    while (!is()) {
      const heard = new Promise<void>((resolve) => this.waiting.push(resolve));
      const error = await Promise.race([heard, this.stopped]);
      if (error) throw error;
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test(`what was acknowledged survives ${KILLS} kills`, { timeout: 60_000 + KILLS * 30_000 }, async () => {
  const next = random(SEED);
  const sums = { steps: 0, acknowledged: 0, rewriting: 0, opening: 0, bases: 0 };
  let floor = 0;
  for (let kill = 0; kill <= KILLS; kill++) {
    const store = `kills ${Math.floor(kill / STORE_KILLS)}`;
    const seed = SEED + Math.floor(kill / STORE_KILLS);
    if (kill % STORE_KILLS === 0) floor = 0;
    const mode = MODES[Math.floor(kill / 2) % MODES.length]!;
    const [isOpening, moment] = [kill < KILLS && kill % OPENING === OPENING - 1, next()];
    const what = `kill ${kill}, ${mode}, repeat with LODIS_SEED=${SEED} LODIS_KILLS=${KILLS} npx vitest run --config browser/vitest.config.ts kills`;
    try {
      const writer = await Writer.begin(store, seed, mode);
      if (isOpening) {
        await Promise.race([pause(moment * OPENING_MS), writer.stopped]);
      } else {
        await writer.until(() => writer.steps >= 0);
        expect(writer.steps, "steps in the store").toBeGreaterThanOrEqual(floor);
        await writer.until(() => writer.acknowledged > writer.steps);
        await Promise.race([pause(moment * WRITING_MS), writer.stopped]);
      }
      // The last one is not killed: it has only to see what is there.
      if (kill === KILLS) break;
      if (kill % 2 === 0) await killPages(profile);
      else profile = await killBrowser(profile);
      sums.steps += Math.max(0, writer.steps - floor);
      sums.acknowledged += Math.max(0, writer.acknowledged - writer.steps);
      sums.rewriting += Number(writer.isRewriting);
      sums.opening += Number(writer.steps < 0);
      sums.bases += Number(writer.baseSize > 0);
      floor = Math.max(floor, writer.steps, writer.acknowledged);
    } catch (error) {
      throw new Error(`${what}: ${error}`, { cause: error });
    }
  }
  console.log(`seed ${SEED}: ${JSON.stringify(sums)}`);
  // The test has done what it is for.
  expect(sums.bases).toBeGreaterThan(0);
  expect(sums.acknowledged).toBeGreaterThan(KILLS);
});
