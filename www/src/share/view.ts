import type { Pane } from "lodis/terminal/pane";
import { element } from "../element.js";
import type { View } from "../view.js";
import { dangerOf } from "./dangers.js";
import { decode } from "./link.js";
import { Scratch } from "./scratch.js";
import "./share.css";

type Where = "scratch" | "own";

/** What a link carries: it is shown, and run only if the visitor says so, where the visitor says. */
export class SharedView implements View {
  readonly element = element("section", { class: "shared", ariaLabel: "Shared commands" });
  private readonly state = element("p", { role: "status" });
  private readonly warning = element("p", { class: "warning", hidden: true });
  private readonly list = element("ol", { tabIndex: 0, ariaLabel: "Commands of the link" });
  private code = "";
  private commands: readonly string[] = [];
  private where: Where = "scratch";
  private scratch: Scratch | undefined;
  /** The command that is next. */
  private at = 0;
  private isBusy = false;
  private visit = 0;

  /** `show` has the page show a terminal beside this view; `own` is the one with the visitor's own data. */
  constructor(
    private readonly own: Pane,
    private readonly showPane: (pane: Pane) => void,
  ) {}

  async show([code = ""]: readonly string[]): Promise<void> {
    const visit = ++this.visit;
    if (code === this.code && this.commands.length > 0) return this.showPane(this.pane);
    this.dismissScratch();
    this.code = code;
    this.commands = [];
    this.where = "scratch";
    try {
      const commands = await decode(code);
      if (visit !== this.visit) return;
      this.commands = commands;
      await this.draw();
    } catch (error) {
      if (visit === this.visit) this.drawProblem((error as Error).message);
    }
  }

  hide(): void {
    this.visit++;
    this.showPane(this.own);
  }

  private get pane(): Pane {
    return this.where === "own" ? this.own : (this.scratch?.pane ?? this.own);
  }

  private drawProblem(text: string): void {
    this.showPane(this.own);
    this.element.replaceChildren(
      element("h2", {}, "Shared commands"),
      element("p", { class: "warning", role: "alert" }, text),
      element("p", {}, "Nothing was run, and nothing was changed."),
      element("p", { class: "ways" }, this.dismissButton()),
    );
  }

  private async draw(): Promise<void> {
    const { length } = this.commands;
    this.list.replaceChildren(...this.commands.map(itemOf));
    this.element.replaceChildren(
      element("h2", {}, length === 1 ? "A shared command" : `${length} shared commands`),
      element("p", {}, "Somebody sent you this. Nothing runs unless you say so: read it first."),
      this.list,
      this.places(),
      this.warning,
      element(
        "p",
        { class: "ways" },
        this.button("Run all", () => this.runAll(), "plain primary"),
        this.button(length === 1 ? "Run it" : "Run the next one", () => this.step()),
        this.button("Put the next one into the line", () => this.intoLine()),
        this.dismissButton(),
      ),
      this.state,
    );
    await this.choose("scratch");
  }

  private places(): HTMLElement {
    const place = (where: Where, text: string): HTMLElement => {
      const input = element("input", { type: "radio", name: "where", value: where, checked: where === "scratch", on: { change: () => void this.choose(where) } });
      return element("label", {}, input, element("span", {}, text));
    };
    return element(
      "fieldset",
      {},
      element("legend", {}, "Where"),
      place("scratch", "In a fresh store: empty, in memory, apart from your data"),
      place("own", "In my own store, with my data"),
    );
  }

  private async choose(where: Where): Promise<void> {
    this.where = where;
    // Elsewhere, it all begins anew.
    this.at = 0;
    this.mark();
    const dangers = this.commands.filter((command) => dangerOf(command) !== undefined).length;
    this.warning.hidden = where === "scratch";
    this.warning.textContent =
      dangers === 0
        ? "They will run on your own data: what they write stays there."
        : `They will run on your own data, and ${dangers === 1 ? "one of them" : `${dangers} of them`} may destroy some of it or change how the store works. Look for the red remarks above.`;
    if (where === "scratch") {
      this.scratch ??= new Scratch();
      await this.scratch.open();
    }
    this.showPane(this.pane);
  }

  private button(text: string, press: () => void | Promise<unknown>, className = "plain"): HTMLButtonElement {
    return element("button", { type: "button", class: className, on: { click: () => void this.busy(press) } }, text);
  }

  private dismissButton(): HTMLElement {
    const dismiss = (): void => {
      this.dismissScratch();
      this.code = "";
      this.commands = [];
      location.hash = "#/";
    };
    return element("button", { type: "button", class: "plain", on: { click: dismiss } }, "Dismiss");
  }

  /** One thing at a time; what is left over when the link is dismissed is not run. */
  private async busy(press: () => void | Promise<unknown>): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      await press();
    } finally {
      this.isBusy = false;
    }
  }

  private async runAll(): Promise<void> {
    if (this.at >= this.commands.length) this.at = 0;
    const { pane, commands } = this;
    while (this.commands === commands && this.pane === pane && this.at < commands.length) await this.step();
  }

  private async step(): Promise<void> {
    const { commands } = this;
    if (this.at >= commands.length) this.at = 0;
    await this.pane.terminal.enter(commands[this.at]!);
    if (this.commands !== commands) return;
    this.at++;
    this.mark();
  }

  private intoLine(): void {
    if (this.at >= this.commands.length) this.at = 0;
    this.pane.put(this.commands[this.at]!);
    this.at++;
    this.mark();
  }

  /** Shows which command is next. */
  private mark(): void {
    const { at, commands } = this;
    for (const [index, item] of [...this.list.children].entries()) {
      item.toggleAttribute("data-done", index < at);
      if (index === at) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    // Only the list is scrolled.
    const next = this.list.children[Math.min(at, commands.length - 1)] as HTMLElement | undefined;
    if (next) this.list.scrollTop = next.offsetTop - this.list.offsetTop - this.list.clientHeight / 2;
    this.state.textContent = at === 0 ? "" : at >= commands.length ? "That was all of them." : `Next: ${at + 1} of ${commands.length}.`;
  }

  private dismissScratch(): void {
    const { scratch } = this;
    this.scratch = undefined;
    void scratch?.close();
  }
}

function itemOf(command: string): HTMLElement {
  const danger = dangerOf(command);
  return element("li", {}, element("code", {}, command), danger === undefined ? undefined : element("span", { class: "danger" }, `It ${danger}.`));
}
