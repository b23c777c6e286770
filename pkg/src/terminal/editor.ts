import type { History } from "./history.js";

/** What the editor asks about the line. */
export interface Advice {
  completions(text: string): string[];
  hint(text: string): string;
}

/** The command line: history, completion, hints, paste of several lines. */
export class Editor {
  advice: Advice = { completions: () => [], hint: () => "" };
  private completing: { readonly choices: string[]; at: number } | undefined;
  private searching: { readonly needle: string; skip: number } | undefined;

  constructor(
    private readonly input: HTMLInputElement,
    private readonly ghost: HTMLElement,
    private readonly history: History,
    private readonly onLine: (line: string) => void,
    private readonly onKey: { clear(): void; cancel(line: string): void },
  ) {
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("input", () => this.changed());
    input.addEventListener("scroll", () => this.showHint());
    input.addEventListener("paste", (event) => this.paste(event));
    input.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** Puts text into the line, the cursor behind it. */
  set(text: string): void {
    this.input.value = text;
    this.input.setSelectionRange(text.length, text.length);
    this.showHint();
  }

  focus(): void {
    this.input.focus({ preventScroll: true });
  }

  private submit(): void {
    const line = this.input.value;
    this.changed();
    this.set("");
    this.history.add(line);
    this.onLine(line);
  }

  private changed(): void {
    this.completing = undefined;
    this.searching = undefined;
    this.showHint();
  }

  private key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const { key, ctrlKey, shiftKey } = event;
    if (key === "Tab") return this.tab(event, shiftKey ? -1 : 1);
    this.completing = undefined;
    if (key === "ArrowUp" || key === "ArrowDown") {
      event.preventDefault();
      this.set(this.history.move(key === "ArrowUp" ? -1 : 1, this.input.value));
    } else if (ctrlKey && key.toLowerCase() === "r") {
      event.preventDefault();
      this.search();
    } else if (ctrlKey && key.toLowerCase() === "l") {
      event.preventDefault();
      this.onKey.clear();
    } else if (ctrlKey && key.toLowerCase() === "c" && this.nothingSelected()) {
      event.preventDefault();
      this.onKey.cancel(this.input.value);
      this.set("");
    }
  }

  private nothingSelected(): boolean {
    return this.input.selectionStart === this.input.selectionEnd && String(getSelection()) === "";
  }

  /** With nothing to complete, Tab moves the focus as everywhere. */
  private tab(event: KeyboardEvent, step: number): void {
    this.completing ??= { choices: this.advice.completions(this.input.value), at: step > 0 ? -1 : 0 };
    const { choices } = this.completing;
    if (choices.length === 0) {
      this.completing = undefined;
      return;
    }
    event.preventDefault();
    this.completing.at = (this.completing.at + step + choices.length) % choices.length;
    this.set(choices[this.completing.at]!);
  }

  private search(): void {
    this.searching ??= { needle: this.input.value, skip: 0 };
    const found = this.history.search(this.searching.needle, this.searching.skip);
    if (found === undefined) return;
    this.searching.skip++;
    this.set(found);
  }

  private paste(event: ClipboardEvent): void {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const lines = text.split(/\r\n|\r|\n/);
    if (lines.length < 2) return;
    event.preventDefault();
    const { value, selectionStart, selectionEnd } = this.input;
    lines[0] = value.slice(0, selectionStart ?? 0) + lines[0];
    const rest = value.slice(selectionEnd ?? value.length);
    const last = lines.pop() + rest;
    for (const line of lines) {
      this.history.add(line);
      this.onLine(line);
    }
    this.set(last);
  }

  private showHint(): void {
    const { value, scrollWidth, clientWidth } = this.input;
    const typed = document.createElement("span");
    typed.className = "typed-text";
    typed.textContent = value;
    const hint = scrollWidth > clientWidth ? "" : this.advice.hint(value);
    this.ghost.replaceChildren(typed, hint);
  }
}
