/**
 * A terminal in a page: a screen, and a line with history, completion and hints. The playground is made of it.
 *
 * @module
 */
import { Editor } from "./editor.js";
import { History } from "./history.js";
import { Output } from "./output.js";
import { Terminal } from "./terminal.js";

export { History };
export type { Instance } from "./session.js";
export type { Ran, Terminal } from "./terminal.js";

/** A terminal with its screen and its line. */
export class Pane {
  /** What is put into the page. Its looks are in `lodis/terminal/pane.css`. */
  readonly element: HTMLElement;
  /** What runs the lines. */
  readonly terminal: Terminal;
  private readonly editor: Editor;
  private readonly input: HTMLInputElement;

  /** Of several panes in a page, `prefix` distinguishes the ids, and `owner` says whose they are: ` of …`. */
  constructor({ prefix = "", owner = "", history = new History() } = {}) {
    const labelled = (what: string): string => what + owner;
    const id = (name: string): string => `${prefix}${name}`;
    const log = made("div", { id: id("log"), role: "log", ariaLabel: labelled("Commands and replies") });
    const screen = made("div", { id: id("screen"), className: "screen", role: "region", tabIndex: 0, ariaLabel: labelled("Terminal output") }, log);
    const prompt = made("label", { id: id("prompt"), className: "prompt-label", htmlFor: id("input") }, "lodis>");
    const ghost = made("span", { id: id("ghost"), className: "ghost", ariaHidden: "true" });
    this.input = made("input", {
      id: id("input"),
      type: "text",
      ariaLabel: labelled("Command"),
      autocapitalize: "off",
      spellcheck: false,
      enterKeyHint: "send",
    });
    this.input.setAttribute("autocorrect", "off");
    const field = made("span", { className: "field" }, ghost, this.input);
    const run = made("button", { type: "submit" }, "Run");
    const form = made("form", { className: "command", autocomplete: "off" }, prompt, field, run);
    this.element = made("div", { className: "pane" }, screen, form);
    const output = new Output(log, screen);
    this.editor = new Editor(this.input, ghost, history, (line) => this.terminal.enter(line), {
      clear: () => this.terminal.clear(),
      cancel: (line) => this.terminal.cancel(line),
    });
    this.terminal = new Terminal(output, this.editor, prompt);
    // A click anywhere that selects nothing goes to the line.
    screen.addEventListener("click", (event) => {
      const onButton = (event.target as Element).closest("button");
      if (!onButton && String(getSelection()) === "") this.focus();
    });
  }

  /** Runs lines as if they had been typed. */
  enter(lines: string): void {
    for (const line of lines.split("\n")) void this.terminal.enter(line);
  }

  /** Puts text into the line, to be changed and run, and moves the focus there. */
  put(text: string): void {
    this.editor.set(text);
    this.editor.focus();
  }

  /** Moves the focus to the line. */
  focus(): void {
    this.editor.focus();
  }
}

/** An element with its properties and children; text is text, never markup. */
function made<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}
