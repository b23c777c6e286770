import type { History } from "./history.js";
import type { Shown, Table } from "./table.js";

/** Longer lines are run, and nothing is said of them before. */
const ADVISED_MAX = 2000;

/** What the editor asks about the line. */
export interface Advisor {
  readonly table: Table;
  /** Some of the keys that begin with `prefix`, as they are typed. */
  keys(prefix: Uint8Array): Promise<readonly string[]>;
}

/** What the line is made of. */
export interface Field {
  readonly input: HTMLInputElement;
  /** Lies below the input: marks, and what may follow. */
  readonly ghost: HTMLElement;
  /** What the command takes, or what may be chosen. */
  readonly syntax: HTMLElement;
  /** Says what cannot be seen. */
  readonly spoken: HTMLElement;
}

/** What the line is used for. */
export interface Uses {
  run(line: string): void;
  clear(): void;
  cancel(line: string): void;
  /** Loads what there is to say of a line, when it is needed for the first time. */
  advisor(): Promise<Advisor>;
  /** Loads what runs lines, and what was typed before; undefined if that is there. */
  prepare(): Promise<void> | undefined;
}

interface Completing {
  /** What was typed. */
  readonly text: string;
  /** Lines to choose from, and what is chosen in each. */
  readonly lines: readonly string[];
  readonly words: readonly string[];
  at: number;
}

/** The command line: history, completion, hints, paste of several lines. */
export class Editor {
  private advisor: Advisor | undefined;
  private completing: Completing | undefined;
  private searching: { readonly needle: string; skip: number } | undefined;
  /** Whether Tab moves the focus although there is something to complete. */
  private isLeaving = false;
  /** What is typed, or typed again, ends what was asked for before. */
  private version = 0;

  constructor(
    private readonly field: Field,
    private readonly history: History,
    private readonly uses: Uses,
  ) {
    const { input } = field;
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("input", () => this.changed());
    input.addEventListener("scroll", () => this.show());
    input.addEventListener("paste", (event) => this.paste(event));
    input.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  /** Puts text into the line, the cursor behind it. */
  set(text: string): void {
    const { input } = this.field;
    input.value = text;
    input.setSelectionRange(text.length, text.length);
    this.version++;
    this.show();
  }

  focus(): void {
    this.field.input.focus({ preventScroll: true });
  }

  /** Knows what there is to say from now on. */
  async learn(): Promise<Advisor> {
    this.advisor ??= await this.uses.advisor();
    return this.advisor;
  }

  /** Shows what there is to say. */
  async advise(): Promise<void> {
    await this.learn();
    this.show();
  }

  private submit(): void {
    const line = this.field.input.value;
    this.settle();
    this.set("");
    this.history.add(line);
    this.uses.run(line);
  }

  private changed(): void {
    this.settle();
    this.version++;
    if (!this.advisor) void this.advise().catch(() => {});
    this.show();
  }

  private settle(): void {
    this.completing = undefined;
    this.searching = undefined;
    this.isLeaving = false;
    this.field.spoken.textContent = "";
  }

  private key(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const { key, ctrlKey, shiftKey, altKey, metaKey } = event;
    if (key === "Tab" && !ctrlKey && !altKey && !metaKey) return this.tab(event, shiftKey ? -1 : 1);
    if (key === "Shift") return;
    const { completing } = this;
    this.completing = undefined;
    const coming = this.uses.prepare();
    if (key === "Escape" && completing) {
      event.preventDefault();
      this.set(completing.text);
      this.isLeaving = true;
    } else if (key === "ArrowUp" || key === "ArrowDown") {
      event.preventDefault();
      const move = (): void => this.set(this.history.move(key === "ArrowUp" ? -1 : 1, this.field.input.value));
      void (coming ? coming.then(move) : move());
    } else if (ctrlKey && key.toLowerCase() === "r") {
      event.preventDefault();
      void (coming ? coming.then(() => this.search()) : this.search());
    } else if (ctrlKey && key.toLowerCase() === "l") {
      event.preventDefault();
      this.uses.clear();
    } else if (ctrlKey && key.toLowerCase() === "c" && this.nothingSelected()) {
      event.preventDefault();
      this.uses.cancel(this.field.input.value);
      this.set("");
    }
  }

  private nothingSelected(): boolean {
    const { selectionStart, selectionEnd } = this.field.input;
    return selectionStart === selectionEnd && String(getSelection()) === "";
  }

  /** With nothing to complete, Tab moves the focus as everywhere. */
  private tab(event: KeyboardEvent, step: -1 | 1): void {
    const { value, selectionStart } = this.field.input;
    if (this.completing) {
      event.preventDefault();
      return this.choose(step);
    }
    if (this.isLeaving || value.trim() === "" || selectionStart !== value.length || value.length > ADVISED_MAX) return;
    event.preventDefault();
    void this.complete(step);
  }

  private async complete(step: -1 | 1): Promise<void> {
    const text = this.field.input.value;
    const version = ++this.version;
    const completing = await this.found(text).catch(() => undefined);
    if (version !== this.version) return;
    if (!completing) return this.leave(step);
    this.completing = { ...completing, at: step > 0 ? -1 : 0 };
    this.choose(step);
  }

  private async found(text: string): Promise<Completing | undefined> {
    const { table, keys } = await this.learn();
    const { start, words, key } = table.choices(text);
    const found = key === undefined ? [] : await keys(key);
    const all = [...words, ...found].filter((word) => word !== text.slice(start));
    return all.length === 0 ? undefined : { text, words: all, lines: all.map((word) => text.slice(0, start) + word), at: 0 };
  }

  private choose(step: -1 | 1): void {
    const { lines, words } = this.completing!;
    const at = (this.completing!.at + step + lines.length) % lines.length;
    this.completing!.at = at;
    this.set(lines[at]!);
    this.field.spoken.textContent = `${words[at]}, ${at + 1} of ${lines.length}`;
  }

  /** Moves the focus as Tab does; at the end of what can be seen from here, the next Tab does. */
  private leave(step: -1 | 1): void {
    const root = this.field.input.getRootNode() as Document | ShadowRoot;
    const all = [...root.querySelectorAll<HTMLElement>("a[href], button, input, select, textarea, [tabindex]")];
    const seen = all.filter((each) => each.tabIndex >= 0 && !each.matches(":disabled") && each.getClientRects().length > 0);
    const next = seen[seen.indexOf(this.field.input) + step];
    this.isLeaving = next === undefined;
    next?.focus();
  }

  private search(): void {
    this.searching ??= { needle: this.field.input.value, skip: 0 };
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
    const { value, selectionStart, selectionEnd } = this.field.input;
    lines[0] = value.slice(0, selectionStart ?? 0) + lines[0];
    const rest = value.slice(selectionEnd ?? value.length);
    const last = lines.pop() + rest;
    this.settle();
    for (const line of lines) {
      this.history.add(line);
      this.uses.run(line);
    }
    this.set(last);
  }

  private show(): void {
    const { input, ghost, syntax } = this.field;
    const { value, scrollWidth, clientWidth } = input;
    const advice = value.length > ADVISED_MAX ? undefined : this.advisor?.table.advise(value);
    // What does not fit is scrolled, and what lies below it would not be where it belongs.
    const isFitting = scrollWidth <= clientWidth;
    const typed = advice && isFitting ? advice.line : [{ text: value, state: "typed" } as const];
    const rest = advice && isFitting ? advice.rest : [];
    ghost.replaceChildren(...typed.map((piece) => shown(piece, "typed-text")), ...rest.map((piece) => shown(piece, "")));
    const { completing } = this;
    const choices = completing?.words.map((text, at): Shown => ({ text, state: at === completing.at ? "current" : "open" }));
    const pieces = choices?.flatMap((choice): Shown[] => [choice, { text: "  ", state: "open" }]) ?? this.syntaxOf(advice);
    syntax.replaceChildren(...pieces.map((piece) => shown(piece, "")));
    // What is wrong stands at the beginning.
    const current = syntax.querySelector(".unknown") ? null : syntax.querySelector<HTMLElement>(".current");
    syntax.scrollLeft = current ? current.offsetLeft + current.offsetWidth - syntax.clientWidth * 0.7 : 0;
  }

  private syntaxOf(advice: ReturnType<Table["advise"]> | undefined): readonly Shown[] {
    if (!advice) return [];
    const wrong = advice.line.filter(({ state }) => state === "unknown").map(({ text }) => text);
    const complaint: Shown[] = wrong.length > 0 ? [{ text: `${advice.command ? "not expected" : "unknown"}: ${wrong.join(" ")}  `, state: "unknown" }] : [];
    if (!advice.command) return complaint;
    return [...complaint, { text: `${advice.command.name.toUpperCase()} `, state: "typed" }, ...advice.syntax];
  }
}

function shown({ text, state }: Shown, className: string): HTMLElement {
  const element = document.createElement(state === "current" ? "b" : "span");
  element.className = `${className} ${state === "typed" || state === "open" ? "" : state}`.trim();
  element.textContent = text;
  return element;
}
