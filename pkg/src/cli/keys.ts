// What looks at every key: --bigkeys, --memkeys, --hotkeys.
import { setTimeout } from "node:timers/promises";
import { repr } from "./format.js";
import { Disconnected } from "./link.js";
import type { CliOptions } from "./options.js";
import type { Reply } from "./reply.js";
import type { Outputs, Session } from "./session.js";

/** The type of a key, as TYPE says, with what tells its size. */
interface Kind {
  readonly name: string;
  readonly sizeCommand: string | undefined;
  readonly unit: string;
}

const KINDS: readonly Kind[] = [
  { name: "string", sizeCommand: "STRLEN", unit: "bytes" },
  { name: "list", sizeCommand: "LLEN", unit: "items" },
  { name: "set", sizeCommand: "SCARD", unit: "members" },
  { name: "hash", sizeCommand: "HLEN", unit: "fields" },
  { name: "zset", sizeCommand: "ZCARD", unit: "members" },
  { name: "stream", sizeCommand: "XLEN", unit: "entries" },
];

/** How many hot keys are told. */
const HOT_MAX = 16;
const PROGRESS_KEYS = 1_000_000;
/** After so many SCANs there is a pause, if one was asked for. */
const PAUSE_SCANS = 100;

/** What was found of keys of a type. */
interface Found extends Kind {
  keys: number;
  size: number;
  biggest: string | undefined;
  biggestSize: number;
}

/** The server has answered what it should not have: exit code 1. */
class Failed extends Error {}

/** Walks over all keys, and writes what it finds of each page of them; a subclass says of what. */
abstract class Survey {
  protected sampled = 0;
  protected percent = "00.00";
  private isEnded = false;

  constructor(
    protected readonly session: Session,
    protected readonly options: CliOptions,
    protected readonly outputs: Outputs,
  ) {}

  /** The exit code. Ctrl-C ends it with what was found so far. */
  async run(title: string): Promise<number> {
    const { outputs, session } = this;
    if (!(await session.connect())) return 1;
    outputs.write(
      `\n# Scanning the entire keyspace to find ${title} keys as well as\n` +
        "# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n# per 100 SCAN commands (not usually needed).\n\n",
    );
    const end = (): void => void (this.isEnded = true);
    process.once("SIGINT", end);
    try {
      await this.scan();
      outputs.write(`\n-------- summary -------\n\n${this.isEnded ? `[${this.percent}%] ` : ""}Sampled ${this.sampled} keys in the keyspace!\n`);
      this.summarize();
      return 0;
    } catch (error) {
      if (!(error instanceof Failed || error instanceof Disconnected)) throw error;
      outputs.complain(`${error.message}\n`);
      return 1;
    } finally {
      process.off("SIGINT", end);
    }
  }

  /** Looks at a page of keys. */
  protected abstract look(keys: readonly string[]): Promise<void>;
  /** Writes what was found, after the first line of the summary. */
  protected abstract summarize(): void;

  /** Counts a key. */
  protected count(): void {
    this.sampled++;
    if (this.sampled % PROGRESS_KEYS === 0) this.outputs.write(`[${this.percent}%] Sampled ${this.sampled} keys so far\n`);
  }

  private async scan(): Promise<void> {
    const { options, session } = this;
    const total = numberOf(await session.ask("DBSIZE"));
    if (total === undefined) throw new Failed("Couldn't determine DBSIZE!");
    const match = options.pattern === undefined ? [] : ["MATCH", options.pattern];
    let cursor = "0";
    for (let scans = 1; ; scans++) {
      this.percent = padded(total === 0 ? 0 : (100 * this.sampled) / total);
      const reply = await session.ask("SCAN", cursor, ...match);
      if (reply.type === "error") throw new Failed(`SCAN error: ${reply.text}`);
      const [next, keys] = reply.type === "array" ? reply.items : [];
      if (next?.type !== "string" || keys?.type !== "array") throw new Failed("Non ARRAY response from SCAN!");
      await this.look(keys.items.map((key) => (key.type === "string" ? key.text : "")));
      cursor = next.text;
      if (cursor === "0" || this.isEnded) return;
      if (options.interval > 0 && scans % PAUSE_SCANS === 0) await setTimeout(options.interval * 1000);
    }
  }
}

/** The biggest keys by type: by their elements, or by the memory that they take. */
class BigKeys extends Survey {
  private readonly found = new Map<string, Found>();
  private keyBytes = 0;

  constructor(
    session: Session,
    options: CliOptions,
    outputs: Outputs,
    private readonly memory: boolean,
  ) {
    super(session, options, outputs);
    for (const kind of KINDS) this.kind(kind.name, kind);
  }

  protected async look(keys: readonly string[]): Promise<void> {
    const types = await this.session.askAll(keys.map((key) => ["TYPE", bytesOf(key)]));
    const kinds = types.map((type, index) => {
      if (type.type !== "status") throw new Failed(`Error getting type for key '${repr(keys[index]!)}'`);
      return type.text === "none" ? undefined : this.kind(type.text);
    });
    const sizes = await this.session.askAll(keys.map((key, index) => this.question(bytesOf(key), kinds[index])));
    for (const [index, key] of keys.entries()) {
      // It has gone since it was listed.
      if (kinds[index] !== undefined) this.note(key, kinds[index], this.sizeOf(key, kinds[index], sizes[index]!));
    }
  }

  protected summarize(): void {
    const { found, keyBytes, outputs, sampled } = this;
    outputs.write(`Total key length in bytes is ${keyBytes} (avg len ${average(keyBytes, sampled)})\n\n`);
    for (const { biggest, biggestSize, name, unit } of found.values()) {
      if (biggest !== undefined) outputs.write(`Biggest ${name.padStart(6)} found '${repr(biggest)}' has ${biggestSize} ${unit}\n`);
    }
    outputs.write("\n");
    for (const { keys, name, size, unit } of found.values()) {
      const share = padded(sampled === 0 ? 0 : (100 * keys) / sampled);
      outputs.write(`${keys} ${name}s with ${size} ${unit} (${share}% of keys, avg size ${average(size, keys)})\n`);
    }
  }

  private kind(name: string, kind?: Kind): Found {
    const known = this.found.get(name);
    if (known) return known;
    // A module's type: nothing tells how many elements it has.
    const { sizeCommand, unit } = kind ?? { sizeCommand: undefined, unit: "?" };
    const made: Found = { name, sizeCommand, unit: this.memory ? "bytes" : unit, keys: 0, size: 0, biggest: undefined, biggestSize: 0 };
    this.found.set(name, made);
    return made;
  }

  private question(key: Uint8Array, kind: Found | undefined): (string | Uint8Array)[] {
    const samples = this.options.memorySamples;
    if (this.memory) return ["MEMORY", "USAGE", key, ...(samples === undefined ? [] : ["SAMPLES", samples])];
    return kind?.sizeCommand === undefined ? ["PING"] : [kind.sizeCommand, key];
  }

  private sizeOf(key: string, kind: Found, reply: Reply): number {
    const size = numberOf(reply);
    if (size !== undefined) return size;
    const command = this.memory ? "MEMORY USAGE" : kind.sizeCommand;
    if (command !== undefined) this.outputs.complain(`Warning:  ${command} on '${repr(key)}' failed (may have changed type)\n`);
    return 0;
  }

  private note(key: string, kind: Found, size: number): void {
    kind.keys++;
    kind.size += size;
    this.keyBytes += key.length;
    if (size > kind.biggestSize) {
      [kind.biggest, kind.biggestSize] = [key, size];
      this.outputs.write(`[${this.percent}%] Biggest ${kind.name.padEnd(6)} found so far '${repr(key)}' with ${size} ${kind.unit}\n`);
    }
    this.count();
  }
}

/** The keys that are used most, where an LFU policy counts that. */
class HotKeys extends Survey {
  /** The hottest first. */
  private readonly hottest: { readonly key: string; readonly uses: number }[] = [];

  protected async look(keys: readonly string[]): Promise<void> {
    const replies = await this.session.askAll(keys.map((key) => ["OBJECT", "FREQ", bytesOf(key)]));
    for (const [index, key] of keys.entries()) {
      const reply = replies[index]!;
      if (reply.type === "error") throw new Failed(`Error: ${reply.text}`);
      const uses = numberOf(reply);
      if (uses === undefined) this.outputs.complain(`Warning: OBJECT freq on '${repr(key)}' failed (may have been deleted)\n`);
      this.count();
      this.note(key, uses ?? 0);
    }
  }

  protected summarize(): void {
    for (const { key, uses } of this.hottest) this.outputs.write(`hot key found with counter: ${uses}\tkeyname: ${repr(key)}\n`);
  }

  private note(key: string, uses: number): void {
    const { hottest } = this;
    const colder = hottest.findIndex((other) => other.uses < uses);
    const place = colder < 0 ? hottest.length : colder;
    if (uses === 0 || place >= HOT_MAX) return;
    hottest.splice(place, 0, { key, uses });
    hottest.length = Math.min(hottest.length, HOT_MAX);
    this.outputs.write(`[${this.percent}%] Hot key '${repr(key)}' found so far with counter ${uses}\n`);
  }
}

/** Tells the biggest keys of each type; the exit code. */
export function bigKeys(session: Session, options: CliOptions, outputs: Outputs, byMemory: boolean): Promise<number> {
  return new BigKeys(session, options, outputs, byMemory).run("biggest");
}

/** Tells the hottest keys; the exit code. */
export function hotKeys(session: Session, options: CliOptions, outputs: Outputs): Promise<number> {
  return new HotKeys(session, options, outputs).run("hot");
}

const bytesOf = (key: string): Uint8Array => Buffer.from(key, "latin1");
const numberOf = (reply: Reply): number | undefined => (reply.type === "integer" ? Number(reply.text) : undefined);
const padded = (percent: number): string => percent.toFixed(2).padStart(5, "0");
const average = (sum: number, count: number): string => (count === 0 ? 0 : sum / count).toFixed(2);
