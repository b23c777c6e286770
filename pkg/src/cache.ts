import type { Memory } from "./boundary/memory.js";
import type { Lodis } from "./boundary/wasm.js";

/** Places among the words of the head, as `Lodis.head` tells them. */
const COPIES = 3;
const SLOT = 4;
const HASH = 5;
const EXPIRES_AT = 6;

/** Values are forgotten this often, so that the engine hears of every key that is in use. */
const LIFE_MS = 1000;
/** Values kept at a time, and the sum of their lengths and those of their keys. */
const VALUES_MAX = 65_536;
const LENGTH_MAX = 8 * 1024 * 1024;
/** Places for marks of keys that were read; when half of them are taken, all are wiped out. */
const READ = 65_536;

/** A decoded value. */
interface Value {
  readonly text: string;
  /** The place of its generation among the memory's words, and what must be there. */
  readonly generationAt: number;
  readonly generation: number;
  /** Unix milliseconds, or infinity. */
  readonly expiresAt: number;
}

/**
 * Decoded values of keys that were read more than once, as long as they are what GET would answer.
 *
 * That they still are is read from linear memory, where every change of a key leaves its mark: no
 * crossing, no conversion. Answers count as commands and as keyspace hits like any others.
 */
export class ValueCache {
  private readonly values = new Map<string, Value>();
  /**
   * Whether a key with so many last bits of its hash was read before: what is read once only is not
   * worth keeping. That another key may have left the mark does no harm.
   */
  private readonly read = new Uint8Array(READ);
  private marks = 0;
  private length = 0;
  /** Where the generations are among the memory's words; -1 if that must be asked. */
  private generations = -1;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly lodis: Lodis,
    private readonly memory: Memory,
    private readonly head: number,
  ) {}

  /** The value of a key, if it is known without asking the engine. */
  get(key: string): string | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    const { words } = this.memory;
    // After the memory has grown, nothing is there to read.
    if (words[value.generationAt] !== value.generation) return undefined;
    if (value.expiresAt !== Infinity && Date.now() >= value.expiresAt) return undefined;
    words[this.head + COPIES]!++;
    return value.text;
  }

  /** Takes note of what session `session` was answered by a GET that the engine calls a copy. */
  note(session: number, key: string, text: string): void {
    const { words } = this.memory;
    if (this.isFirst(words[this.head + HASH]! % READ)) return;
    const slot = words[this.head + SLOT]!;
    const length = key.length + text.length;
    if (length > LENGTH_MAX / 8) return;
    if (this.values.size >= VALUES_MAX || this.length + length > LENGTH_MAX) this.forget();
    if (this.generations < 0) this.generations = this.lodis.generations(session) >>> 2;
    this.length += length;
    const generationAt = this.generations + slot;
    this.values.set(key, {
      text,
      generationAt,
      generation: this.memory.refresh().words[generationAt]!,
      expiresAt: this.memory.view.getFloat64((this.head + EXPIRES_AT) * 4, true),
    });
    this.timer ??= this.startTimer();
  }

  private isFirst(place: number): boolean {
    if (this.read[place] !== 0) return false;
    if (++this.marks > READ / 2) {
      this.read.fill(0);
      this.marks = 1;
    }
    this.read[place] = 1;
    return true;
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
