import type { Memory } from "./boundary/memory.js";
import type { Lodis } from "./boundary/wasm.js";

/** Places among the words of the head, as `Lodis.head` tells them. */
const COPIES = 3;
const SLOT = 4;
const EXPIRES_AT = 6;

/** Values are forgotten this often, so that the engine hears of every key that is in use. */
const LIFE_MS = 1000;
/** The most values kept at a time, and the most that is the sum of their lengths and those of their keys. */
const VALUES_MAX = 65_536;
const LENGTH_MAX = 8 * 1024 * 1024;

/** A decoded value. */
interface Value {
  readonly text: string;
  /** The place of its generation among the memory's words, and what must be there. */
  readonly generationAt: number;
  readonly generation: number;
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
}

/**
 * Decoded values of keys that were read twice since they were written, as long as they are what GET
 * would answer.
 *
 * That they still are is read from linear memory, where every change of a key leaves its mark: no
 * crossing, no conversion. Answers count as commands and as keyspace hits like any others.
 */
export class ValueCache {
  private readonly values = new Map<string, Value>();
  private length = 0;
  /** Replies that the engine has not been told of. */
  private copies = 0;
  /** Where the generations are among the memory's words; -1 if that must be asked. */
  private generations = -1;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly lodis: Lodis,
    private readonly memory: Memory,
    private readonly head: number,
  ) {}

  /** The value of a key, if it is known without asking the engine. */
  get(key: unknown): string | undefined {
    if (typeof key !== "string") return undefined;
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    const { words } = this.memory;
    // After the memory has grown, nothing is there to read.
    if (words[value.generationAt] !== value.generation) return undefined;
    if (value.expiresAt !== undefined && Date.now() >= value.expiresAt) return undefined;
    this.copies++;
    return value.text;
  }

  /** Tells the engine, which is about to run, how many replies it need not have given. */
  report(): void {
    if (this.copies === 0) return;
    this.memory.refresh().words[this.head + COPIES] = this.copies;
    this.copies = 0;
  }

  /** Takes note of what session `session` was answered by a GET that the engine calls a copy. */
  note(session: number, key: string, text: string): void {
    if (this.generations < 0) this.generations = this.lodis.generations(session) >>> 2;
    const { words } = this.memory.refresh();
    const generationAt = this.generations + words[this.head + SLOT]!;
    const generation = words[generationAt]!;
    const length = key.length + text.length;
    if (this.values.size >= VALUES_MAX || this.length + length > LENGTH_MAX) return;
    this.length += length;
    const at = this.memory.view.getFloat64((this.head + EXPIRES_AT) * 4, true);
    const expiresAt = at === Infinity ? undefined : at;
    this.values.set(key, { text, generationAt, generation, expiresAt });
    this.timer ??= this.startTimer();
  }

  /** Forgets every value. */
  forget(): void {
    this.values.clear();
    this.length = 0;
    this.generations = -1;
  }

  /** Forgets every value and lets go of the timer. */
  close(): void {
    this.forget();
    clearTimeout(this.timer);
  }

  private startTimer(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.timer = undefined;
      this.forget();
    }, LIFE_MS);
    // In Node a timer must not keep the process alive; browsers number their timers.
    (timer as { unref?: () => void }).unref?.();
    return timer;
  }
}
