import type { Line } from "./format.js";

/** Lines of one reply shown before it asks whether to go on. */
const CHUNK = 1_000;
/** Lines kept; beyond this the oldest entries go. */
const LINES_MAX = 20_000;

/** What somebody does who scrolls, and for how long it may go on by itself. */
const TOUCHES = ["wheel", "touchmove", "pointerdown", "keydown", "focusin"] as const;
const TOUCH_MS = 1000;
/** How many frames it takes until heights are true. */
const FRAMES = 3;

/** The log of what was typed and answered. Bounded; everything it shows is text, never markup. */
export class Output {
  private lines = 0;
  /** Whether the end is looked at, and what is added is to be seen. */
  private isFollowing = true;
  /** When somebody last did what may scroll. */
  private touched = -Infinity;
  /** In so many frames yet, the end is scrolled to. */
  private frames = 0;
  private readonly counts = new WeakMap<Element, number>();

  constructor(
    private readonly root: HTMLElement,
    private readonly scroller: HTMLElement,
  ) {
    for (const type of TOUCHES) scroller.addEventListener(type, () => (this.touched = performance.now()), { passive: true });
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  /** Adds lines as one entry; asks for no more of them than are shown. */
  add(lines: Iterable<Line>, className = ""): HTMLElement {
    const entry = document.createElement("div");
    entry.className = `entry ${className}`;
    this.root.append(entry);
    this.fill(entry, lines[Symbol.iterator]());
    this.trim();
    if (this.isFollowing || className === "typed") this.toEnd();
    return entry;
  }

  /** Adds what is no line to the end of an entry. */
  append(entry: HTMLElement, ...children: readonly (Node | string)[]): void {
    entry.append(...children);
    if (this.isFollowing) this.toEnd();
  }

  /** Takes an entry away, if it is there yet. */
  remove(entry: HTMLElement): void {
    if (entry.parentElement !== this.root) return;
    this.lines -= this.counts.get(entry) ?? 0;
    entry.remove();
  }

  clear(): void {
    this.root.replaceChildren();
    this.lines = 0;
  }

  private toEnd(): void {
    if (this.frames === 0) requestAnimationFrame(() => this.scroll());
    // Chunks out of sight are only estimated; the true height is known once they are laid out.
    this.frames = FRAMES;
  }

  private scroll(): void {
    const { scroller } = this;
    scroller.scrollTop = scroller.scrollHeight;
    if (--this.frames > 0) requestAnimationFrame(() => this.scroll());
  }

  /** Who scrolls away from the end looks at something; what is added in the meantime does not scroll away. */
  private scrolled(): void {
    if (this.atEnd()) this.isFollowing = true;
    else if (performance.now() - this.touched < TOUCH_MS) this.isFollowing = false;
  }

  private atEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 40;
  }

  private fill(entry: HTMLElement, lines: Iterator<Line>): void {
    const chunk = document.createElement("div");
    chunk.className = "chunk";
    let count = 0;
    let next = lines.next();
    for (; !next.done && count < CHUNK; next = lines.next(), count++) chunk.append(rendered(next.value));
    entry.append(chunk);
    this.lines += count;
    this.counts.set(entry, (this.counts.get(entry) ?? 0) + count);
    if (!next.done) entry.append(this.moreButton(entry, next.value, lines));
  }

  private moreButton(entry: HTMLElement, first: Line, rest: Iterator<Line>): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "more";
    button.textContent = "Show more";
    button.addEventListener("click", () => {
      button.remove();
      entry.lastElementChild?.append(rendered(first));
      this.fill(entry, rest);
      this.trim();
    });
    return button;
  }

  private trim(): void {
    while (this.lines > LINES_MAX && this.root.childElementCount > 1) {
      this.remove(this.root.firstElementChild as HTMLElement);
    }
  }
}

function rendered(line: Line): HTMLElement {
  const element = document.createElement("div");
  element.className = "line";
  for (const { kind, text } of line) {
    const piece = document.createElement("span");
    piece.className = kind;
    piece.textContent = text;
    element.append(piece);
  }
  if (line.length === 0) element.append("\u200b");
  return element;
}
