const KEY = "lodis-playground:history";
const LINES_MAX = 500;

/** What was typed, kept across reloads where the browser allows it. */
export class History {
  private lines: string[] = [];
  /** Where up and down have got to; `lines.length` is the line being typed. */
  private at = 0;
  private draft = "";

  /** What was typed before. */
  constructor() {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      if (Array.isArray(stored)) this.lines = stored.filter((line) => typeof line === "string");
    } catch {
      // Storage is refused, or holds something else: the history begins empty.
    }
    this.at = this.lines.length;
  }

  /** Adds a line, unless it is empty or the same as the newest. */
  add(line: string): void {
    if (line.trim() !== "" && line !== this.lines.at(-1)) this.lines.push(line);
    this.lines = this.lines.slice(-LINES_MAX);
    this.at = this.lines.length;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.lines));
    } catch {
      // Kept for this page only.
    }
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
}
