import { isSensitive } from "./sensitive.js";

const LINES_MAX = 500;
/** Lines are stored together: what a command leaves behind it is not to be what the next one finds. */
const SETTLE_MS = 1000;

/** Where lines are kept. What it refuses is kept in memory alone. */
export interface Keeper {
  /** The lines that are there, or undefined if they cannot be read now. */
  read(key: string): Promise<string[] | undefined>;
  /** Adds lines, and keeps so many of all; whether that was possible. */
  add(key: string, lines: readonly string[], max: number): Promise<boolean>;
  /** Removes all of them. */
  forget(key: string): Promise<unknown>;
}

/** Whether anything is kept, as this browser was told: by `history off`. */
const OFF = "lodis-terminal:history";

/** Tells other tabs of the site what was typed. */
interface Channel {
  postMessage(line: string): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/**
 * What was typed: the last 500 lines, but for those with a password. With a `key`, it is a list in the store of
 * the terminal, in the last of its databases (15), and the tabs that share the store share it.
 */
export class History {
  private lines: string[] = [];
  /** Where up and down have got to; `lines.length` is the line being typed. */
  private at = 0;
  private draft = "";
  private pending: string[] = [];
  private keeper: Keeper | undefined;
  /** Whether what was there is among the lines. */
  private isRead = false;
  private isOff = false;
  private channel: Channel | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Kept under `key`; without one, in memory. */
  constructor(
    /** Where it is kept. */
    readonly key?: string,
  ) {}

  /** What was typed, the newest last. */
  get all(): readonly string[] {
    return this.lines;
  }

  /** Whether lines are kept in the store. */
  get isKept(): boolean {
    return this.key !== undefined && !this.isOff;
  }

  /** @internal Keeps lines in the store from now on, or no longer: what was kept goes then. */
  async keep(isKept: boolean): Promise<void> {
    const { key, keeper } = this;
    if (key === undefined) return;
    this.isOff = !isKept;
    try {
      if (isKept) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "off");
    } catch {
      // It is so for this page alone.
    }
    if (!isKept) await keeper?.forget(key);
  }

  /** @internal Forgets all lines. */
  async clear(): Promise<void> {
    [this.lines, this.pending, this.at] = [[], [], 0];
    if (this.key !== undefined) await this.keeper?.forget(this.key);
  }

  /** @internal Goes on in a store. */
  keepIn(keeper: Keeper): void {
    const { key } = this;
    if (key === undefined || this.keeper) return;
    this.keeper = keeper;
    this.share(key);
    try {
      this.isOff = localStorage.getItem(OFF) !== null;
    } catch {
      // Nothing is known of it.
    }
  }

  /** @internal Reads what is there. */
  async load(): Promise<void> {
    const { key, keeper } = this;
    if (key !== undefined && keeper && this.isKept) await this.read(key, keeper);
  }

  private async read(key: string, keeper: Keeper): Promise<void> {
    const kept = await keeper.read(key).catch(() => undefined);
    if (!kept || this.isRead) return;
    this.isRead = true;
    const isFresh = this.at === this.lines.length;
    this.lines = [...kept, ...after(kept, this.lines)].slice(-LINES_MAX);
    if (isFresh) this.at = this.lines.length;
  }

  /** Adds a line that was typed. */
  add(line: string): void {
    const isNew = line.trim() !== "" && line !== this.lines.at(-1) && !isSensitive(line);
    this.at = this.lines.length;
    if (!isNew) return;
    this.append(line);
    this.at = this.lines.length;
    if (!this.isKept) return;
    this.channel?.postMessage(line);
    this.pending = [...this.pending, line].slice(-LINES_MAX);
    this.timer ??= setTimeout(() => void this.store(), SETTLE_MS);
  }

  /** One line older (-1) or newer (1) than `current`. */
  move(step: -1 | 1, current: string): string {
    if (this.at === this.lines.length) this.draft = current;
    this.at = Math.min(Math.max(this.at + step, 0), this.lines.length);
    return this.lines[this.at] ?? this.draft;
  }

  /** The newest line with `needle` in it that is older than `skip` finds, or undefined. */
  search(needle: string, skip: number): string | undefined {
    const found = [...new Set(this.lines.toReversed())].filter((line) => line.includes(needle));
    return found[skip];
  }

  private append(line: string): void {
    const isFresh = this.at === this.lines.length;
    this.lines.push(line);
    if (this.lines.length > LINES_MAX && this.lines.shift() !== undefined && !isFresh) this.at = Math.max(this.at - 1, 0);
    if (isFresh) this.at = this.lines.length;
  }

  private share(key: string): void {
    if (typeof BroadcastChannel === "undefined") return;
    this.channel = new BroadcastChannel(`lodis-terminal:${key}`);
    this.channel.onmessage = ({ data }) => {
      if (typeof data === "string" && data !== this.lines.at(-1)) this.append(data);
    };
    // What has not been stored yet is stored before the page goes.
    addEventListener("visibilitychange", () => void this.store(), { capture: true });
    addEventListener("pagehide", () => void this.store(), { capture: true });
  }

  /** Stores what is pending; what cannot be stored now comes with the next line. */
  private async store(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { key, keeper, pending } = this;
    if (key === undefined || !this.isKept || !keeper || pending.length === 0) return;
    if (!this.isRead) await this.read(key, keeper);
    this.pending = this.pending.slice(pending.length);
    const isStored = await keeper.add(key, pending, LINES_MAX).catch(() => false);
    if (!isStored) this.pending = [...pending, ...this.pending].slice(-LINES_MAX);
  }
}

/** Of lines that came meanwhile, those that are not among what is kept already. */
function after(kept: readonly string[], lines: readonly string[]): readonly string[] {
  const most = Math.min(kept.length, lines.length);
  const sizes = Array.from({ length: most }, (_, less) => most - less);
  const known = sizes.find((size) => kept.slice(-size).every((line, at) => line === lines[at]));
  return lines.slice(known ?? 0);
}
