// `FileStore` over files that crash: what was acknowledged is there, and nothing is there by halves.
import { open, type Redis, type StoreError } from "lodis";
import { FileStore, type Files } from "lodis/stores/files";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const SCENARIOS = Number(process.env.LODIS_SCENARIOS ?? 60);
const FIRST = Number(process.env.LODIS_SEED ?? 1);
const SEGMENT_LEN = 600;
/** One in so many operations fails: of writes a part is done, the rest is done or not. */
const FAILURES = 15;

// A second must not take one.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

for (const crash of ["a killed process", "a power cut"] as const) {
  test(`random writes and rewrites, and ${crash}`, async () => {
    for (let seed = FIRST; seed < FIRST + SCENARIOS; seed++) {
      try {
        await scenario(seed, crash);
      } catch (error) {
        const replay = `LODIS_SEED=${seed} LODIS_SCENARIOS=1 npm run node -- files.test.ts`;
        throw new Error(`seed ${seed}, replay with: ${replay}`, { cause: error });
      }
    }
  });
}

/** An instance writes until its files crash, several times over the same disk. */
async function scenario(seed: number, crash: string): Promise<void> {
  const random = randomOf(seed);
  const disk = new Disk();
  let least = 0;
  for (let life = 0; life < 3; life++) {
    const files = new CrashingFiles(disk, 5 + random(120), random);
    const appendfsync = (["always", "everysec"] as const)[random(2)]!;
    const told = crash === "a power cut" && appendfsync === "everysec" ? { count: least } : { count: 0 };
    const life_ = write(files, appendfsync, least, random, (count) => (told.count = count));
    await Promise.race([life_, files.crashed]);
    if (crash === "a killed process" || appendfsync === "always") least = Math.max(least, told.count);
    if (crash === "a power cut") disk.cutPower(random);
    least = await check(disk, least);
  }
}

async function write(
  files: CrashingFiles,
  appendfsync: "always" | "everysec",
  from: number,
  random: (below: number) => number,
  acknowledged: (count: number) => void,
): Promise<void> {
  const redis = await opened(files, appendfsync);
  let pending = false;
  redis.on("saved", () => (pending = files.isCrashed));
  for (let count = from + 1; !files.isCrashed; count++) {
    const value = `${count}:`.padEnd(random(300) + 8, "x");
    pending = true;
    const transaction = redis.multi().set("count", `${count}`).rPush("list", `${count}`).set(`key:${count % 7}`, value);
    const isStored = await transaction.exec().then(
      () => appendfsync === "always",
      () => false,
    );
    if (!isStored && (appendfsync === "always" || random(4) === 0)) {
      while (pending && !files.isCrashed) await vi.advanceTimersByTimeAsync(100);
      // Long enough for what is relaxed to be synced.
      if (random(2) === 0) await vi.advanceTimersByTimeAsync(1100);
    }
    // What was refused while the disk had errors was not done; what was done then is stored later.
    if (Number(redis.sync.get("count")) < count) count--;
    else if (!pending || isStored) acknowledged(count);
    if (random(12) === 0) await redis.bgRewriteAof().catch(() => {});
  }
}

/** An instance; one on an empty disk is refused as long as that has errors. */
async function opened(files: CrashingFiles, appendfsync: "always" | "everysec"): Promise<Redis> {
  for (;;) {
    const opening = open("app", { store: new FileStore(files, SEGMENT_LEN), appendfsync });
    const redis = await opening.catch((error: StoreError) => void expect(error.code).toBe("STORE_UNAVAILABLE"));
    if (redis) return redis;
  }
}

/** What is on the disk is what so many writes have made, and they are at least as many as these. */
async function check(disk: Disk, least: number): Promise<number> {
  const files = new CrashingFiles(disk, Infinity, () => 0);
  const redis = await open("app", { store: new FileStore(files, SEGMENT_LEN) });
  const count = Number((await redis.get("count")) ?? 0);
  expect(count).toBeGreaterThanOrEqual(least);
  expect(await redis.lRange("list", 0, -1)).toEqual(Array.from({ length: count }, (_, index) => `${index + 1}`));
  for (let last = Math.max(1, count - 6); last <= count; last++) {
    expect(await redis.get(`key:${last % 7}`)).toMatch(new RegExp(`^${last}:x*$`));
  }
  await redis.close();
  return count;
}

/** A file as it would be after a power cut, and what was done to it since the last sync. */
interface Content {
  durable: Uint8Array | undefined;
  current: Uint8Array | undefined;
  changes: ((bytes: Uint8Array) => Uint8Array)[];
}

class Disk {
  readonly contents = new Map<string, Content>();

  of(name: string): Content {
    let content = this.contents.get(name);
    if (!content) this.contents.set(name, (content = { durable: undefined, current: undefined, changes: [] }));
    return content;
  }

  /** Of what was not synced, the first so and so many changes to each file stay. */
  cutPower(random: (below: number) => number): void {
    for (const content of this.contents.values()) {
      const kept = random(content.changes.length + 1);
      if (kept === 0 && content.durable === undefined) content.current = undefined;
      else content.current = applied(content, content.changes.slice(0, kept));
      content.durable = content.current;
      content.changes = [];
    }
  }
}

function applied({ durable }: Content, changes: Content["changes"]): Uint8Array {
  return changes.reduce((bytes, apply) => apply(bytes), durable ?? new Uint8Array());
}

/** Files that stop answering after so many operations, the last of which is done in part. */
class CrashingFiles implements Files {
  readonly crashed: Promise<void>;
  isCrashed = false;
  private crash!: () => void;

  constructor(
    private readonly disk: Disk,
    private operations: number,
    private readonly random: (below: number) => number,
  ) {
    this.crashed = new Promise((resolve) => (this.crash = resolve));
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async list(): Promise<Map<string, number>> {
    const files = [...this.disk.contents].filter(([name, { current }]) => name !== "manifest" && current);
    return new Map(files.map(([name, { current }]) => [name, current!.length]));
  }

  async read(name: string, at: number, length: number): Promise<Uint8Array> {
    return (this.disk.of(name).current ?? new Uint8Array()).slice(at, at + length);
  }

  async write(name: string, at: number, bytes: Uint8Array): Promise<void> {
    const fails = this.random(FAILURES) === 1;
    const part = fails || this.operations <= 1 ? bytes.slice(0, this.random(bytes.length + 1)) : bytes.slice();
    await this.operation(() => {
      const length = this.disk.of(name).current?.length ?? 0;
      if (at > length) throw new Error(`a write at ${at} of a file of ${length} bytes`);
      this.change(name, (before) => {
        const after = new Uint8Array(Math.max(before.length, at + part.length));
        after.set(before);
        after.set(part, at);
        return after;
      });
    });
    if (fails) throw new Error("the disk is full");
  }

  async truncate(name: string, length: number): Promise<void> {
    await this.operation(() => this.change(name, (before) => before.slice(0, length)));
  }

  async sync(names: Iterable<string>): Promise<void> {
    const fails = this.random(FAILURES) === 1;
    for (const name of [...names]) {
      await this.operation(() => {
        const content = this.disk.of(name);
        // As Linux does: what could not be written is read still, but never written.
        if (!fails) content.durable = applied(content, content.changes);
        content.changes = [];
      });
    }
    if (fails) throw new Error("the disk has an error");
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    const fails = this.fails();
    await this.operation(() => {
      if (fails !== "before") this.disk.contents.set(name, { durable: copy, current: copy, changes: [] });
    });
    if (fails) throw new Error("the disk has an error");
  }

  async load(name: string): Promise<Uint8Array | undefined> {
    return this.disk.of(name).current?.slice();
  }

  async remove(name: string): Promise<void> {
    const fails = this.fails();
    await this.operation(() => {
      if (fails !== "before") this.disk.contents.delete(name);
    });
    if (fails) throw new Error("the disk has an error");
  }

  /** Whether an operation fails that is done as a whole or not at all, and which of both it is. */
  private fails(): "before" | "after" | undefined {
    if (this.random(FAILURES) !== 1) return undefined;
    return this.random(2) === 0 ? "before" : "after";
  }

  private change(name: string, apply: (bytes: Uint8Array) => Uint8Array): void {
    const content = this.disk.of(name);
    content.current = apply(content.current ?? new Uint8Array());
    content.changes.push(apply);
  }

  /** Does it, unless the files have crashed: then nothing comes back, ever. */
  private async operation(work: () => void): Promise<void> {
    if (this.operations > 0) work();
    if (--this.operations > 0) return;
    this.isCrashed = true;
    this.crash();
    await new Promise(() => {});
  }
}

function randomOf(seed: number): (below: number) => number {
  let state = seed * 2654435761;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
