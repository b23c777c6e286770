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
export type { Link, Ran, Terminal } from "./terminal.js";

const STOPS = { command: "Stop the command", monitor: "Stop MONITOR", subscriptions: "Stop: unsubscribe" } as const;

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
    const syntax = made("div", { id: id("syntax"), className: "syntax" });
    this.input.setAttribute("aria-describedby", syntax.id);
    const spoken = made("div", { className: "spoken", role: "status" });
    const protocol = made("select", { id: id("protocol"), ariaLabel: labelled("Protocol of replies") }, new Option("RESP2", "2"), new Option("RESP3", "3", true, true));
    const stop = made("button", { type: "button", className: "stop", hidden: true }, "Stop");
    const bar = made("div", { className: "bar" }, syntax, stop, protocol, spoken);
    this.element = made("div", { className: "pane" }, screen, bar, form);
    const output = new Output(log, screen);
    this.terminal = new Terminal(output, history, (state) => {
      prompt.textContent = state.prompt;
      protocol.value = String(state.protocol);
      stop.hidden = state.stops === undefined;
      stop.ariaLabel = state.stops === undefined ? null : STOPS[state.stops] + owner;
      // Nobody wants all of that to be read out.
      log.ariaLive = state.stops === "monitor" ? "off" : null;
    });
    this.editor = new Editor({ input: this.input, ghost, syntax, spoken }, history, {
      run: (line) => void this.terminal.enter(line),
      clear: () => this.terminal.clear(),
      cancel: (line) => this.terminal.cancel(line),
      advisor: () => this.terminal.advisor(),
      prepare: () => this.terminal.prepare(),
    });
    protocol.addEventListener("change", () => void this.terminal.speak(protocol.value === "2" ? 2 : 3));
    stop.addEventListener("click", () => {
      this.terminal.stop();
      this.focus();
    });
    // A click anywhere that selects nothing goes to the line.
    screen.addEventListener("click", (event) => {
      const onButton = (event.target as Element).closest("button, a");
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
