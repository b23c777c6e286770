import { element } from "../element.js";
import { button } from "./controls.js";
import type { Undo } from "./data.js";

/** So much can be undone, and so many bytes are kept for that. */
const STEPS = 20;
const BYTES = 64 * 1024 * 1024;

/** What was done last, with a button that undoes it. */
export class Changes {
  readonly element = element("div", { class: "changes" });
  private readonly said = element("span", { role: "status" });
  private readonly button = button("Undo", () => void this.undo());
  private readonly steps: { what: string; undo: Undo; bytes: number }[] = [];

  constructor(private readonly failed: (error: Error) => void, private readonly done: () => void) {
    this.element.append(this.said, this.button);
    this.show("");
  }

  /** Says what was done. */
  add(what: string, undo: Undo | undefined, bytes = 0): void {
    if (undo) this.steps.push({ what, undo, bytes });
    while (this.steps.length > STEPS || this.steps.reduce((sum, step) => sum + step.bytes, 0) > BYTES) this.steps.shift();
    this.show(undo && this.steps.length > 0 ? `${what}.` : `${what}. This is too large to be undone.`);
  }

  say(text: string): void {
    this.show(text);
  }

  async undo(): Promise<void> {
    const step = this.steps.pop();
    if (!step) return;
    this.button.disabled = true;
    try {
      const left = await step.undo();
      this.show(left === 0 ? `Undone: ${step.what}.` : `Undone: ${step.what}, except for ${left} that ${left === 1 ? "is" : "are"} there again.`);
      this.done();
    } catch (error) {
      this.show("");
      this.failed(error as Error);
    } finally {
      this.button.disabled = false;
    }
  }

  private show(text: string | null): void {
    this.said.textContent = text;
    this.button.hidden = this.steps.length === 0;
    const next = this.steps.at(-1);
    this.button.title = next ? `Undo: ${next.what} (Ctrl+Z)` : "";
    this.element.hidden = text === "" && !next;
  }
}
