import { type Line, line } from "./format.js";
import type { Output } from "./output.js";

/** So many lines are drawn at once: a fraction of what a frame has time for. */
const BATCH = 30;
/** More than that wait for nobody: the oldest go. */
const PENDING_MAX = 300;
/** So many stay on the screen. */
const SHOWN_MAX = 900;

/** How long a line is held back that may belong to the next one. */
const HELD_MS = 50;
const OWN = /^\S+ \[[^\]]*\] "(lrange|rpush|ltrim|del)" /i;

/** Lines that come faster than anybody reads, drawn a few in each frame. */
export class Feed {
  private pending: string[] = [];
  private left = 0;
  private isDue = false;
  private readonly shown: { readonly entry: HTMLElement; readonly count: number }[] = [];
  private count = 0;
  /** A SELECT that may be the terminal's own, and whether the next one is. */
  private held: string | undefined;
  private isOwn = false;

  /** Of a terminal that keeps its history under `key`: that is not what anybody wants to see. */
  constructor(
    private readonly output: Output,
    private readonly key: string | undefined,
  ) {}

  /** Adds a line of MONITOR. */
  add(text: string): void {
    const { held, isOwn, key } = this;
    this.held = undefined;
    const isSelect = /^\S+ \[[^\]]*\] "select" "\d+"$/i.test(text);
    this.isOwn = key !== undefined && OWN.test(text) && text.includes(`"${key}"`);
    if (this.isOwn || (isOwn && isSelect)) return;
    if (held !== undefined) this.push(held);
    if (!isSelect || key === undefined) return this.push(text);
    this.held = text;
    setTimeout(() => {
      if (this.held !== text) return;
      this.held = undefined;
      this.push(text);
    }, HELD_MS);
  }

  private push(text: string): void {
    this.pending.push(text);
    if (this.pending.length >= 2 * PENDING_MAX) {
      this.left += this.pending.length - PENDING_MAX;
      this.pending = this.pending.slice(-PENDING_MAX);
    }
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.isDue = false;
    if (this.left > 0) this.show([line("note", `${this.left} lines came too fast to be shown.`)]);
    this.left = 0;
    this.show(this.pending.splice(0, BATCH).map((text) => line("status", text)));
    if (this.pending.length === 0) return;
    this.isDue = true;
    requestAnimationFrame(() => this.draw());
  }

  private show(lines: readonly Line[]): void {
    this.shown.push({ entry: this.output.add(lines, "monitored"), count: lines.length });
    this.count += lines.length;
    while (this.count > SHOWN_MAX) {
      const { entry, count } = this.shown.shift()!;
      this.count -= count;
      this.output.remove(entry);
    }
  }
}
