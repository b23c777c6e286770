import { element } from "../element.js";
import { Editor } from "./editor.js";
import { History } from "./history.js";
import { Output } from "./output.js";
import { Terminal } from "./terminal.js";

/** A terminal with its screen and its line. */
export class Pane {
  readonly element: HTMLElement;
  readonly terminal: Terminal;
  private readonly editor: Editor;
  private readonly input: HTMLInputElement;

  /** Of several panes in a page, `prefix` distinguishes the ids, and `owner` says whose they are: ` of …`. */
  constructor({ prefix = "", owner = "", history = new History() } = {}) {
    const labelled = (what: string): string => what + owner;
    const id = (name: string): string => `${prefix}${name}`;
    const log = element("div", { id: id("log"), role: "log", ariaLabel: labelled("Commands and replies") });
    const screen = element("div", { id: id("screen"), class: "screen", role: "region", tabIndex: 0, ariaLabel: labelled("Terminal output") }, log);
    const prompt = element("label", { id: id("prompt"), class: "prompt-label", htmlFor: id("input") }, "lodis>");
    const ghost = element("span", { id: id("ghost"), class: "ghost", ariaHidden: "true" });
    this.input = element("input", {
      id: id("input"),
      type: "text",
      ariaLabel: labelled("Command"),
      autocapitalize: "off",
      spellcheck: false,
      enterKeyHint: "send",
      attributes: { autocorrect: "off" },
    });
    const field = element("span", { class: "field" }, ghost, this.input);
    const form = element("form", { class: "command", autocomplete: "off" }, prompt, field, element("button", { type: "submit" }, "Run"));
    this.element = element("div", { class: "pane" }, screen, form);
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

  focus(): void {
    this.editor.focus();
  }
}
