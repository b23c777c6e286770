import { element } from "../element.js";
import { type Client, turn } from "./client.js";
import { Load, MIXES, RATE_MAX } from "./load.js";
import { write } from "./plot.js";
import { count } from "./tables.js";

/** Makes load, so that there is something to be seen. */
export class LoadForm {
  readonly element: HTMLElement;
  private readonly load: Load;
  private readonly mix = element("select", { id: "load-mix" }, ...Object.entries(MIXES).map(([value, { title }]) => element("option", { value }, title)));
  private readonly rate = element("input", { id: "load-rate", type: "number", value: "500", min: "1", max: String(RATE_MAX), required: true, attributes: { "aria-describedby": "load-hint" } });
  private readonly button = element("button", { type: "submit", class: "plain" }, "Start");
  private readonly news = element("p", { role: "status" });
  private readonly progress = element("p", { class: "plot-note" });
  private last = { done: 0, at: 0 };
  private wanted = 0;

  constructor(client: Client) {
    this.load = new Load({
      ask: (commands) => client.ask(commands),
      now: () => performance.now(),
      sleep: (ms) => (ms === 0 ? turn() : new Promise((resolve) => setTimeout(resolve, ms))),
    });
    const form = element(
      "form",
      { class: "fields" },
      element("label", { htmlFor: "load-mix" }, "Commands"),
      this.mix,
      element("label", { htmlFor: "load-rate" }, "Per second"),
      this.rate,
      this.button,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.load.isRunning) this.stop();
      else this.start();
    });
    this.element = element(
      "section",
      { class: "card", ariaLabel: "Make load" },
      element("h3", {}, "Make load"),
      element("p", { class: "hint", id: "load-hint" }, `This tab runs commands, up to ${count(RATE_MAX)} a second and a few at a time, while the dashboard is looked at. Their keys begin with load: and are gone a minute later.`),
      form,
      this.news,
      this.progress,
    );
  }

  private start(): void {
    this.wanted = this.rate.valueAsNumber;
    this.load.start(this.mix.value, this.wanted);
    this.last = { done: 0, at: performance.now() };
    write(this.button, "Stop");
    write(this.news, "Load is being made.");
  }

  stop(): void {
    if (!this.load.isRunning) return;
    this.load.stop();
    write(this.button, "Start");
    write(this.news, `Stopped after ${count(this.load.done)} commands.`);
    write(this.progress, "");
  }

  /** Says how it goes, now and then. */
  tell(): void {
    const { load, last } = this;
    if (!load.isRunning) return;
    const at = performance.now();
    const rate = ((load.done - last.done) * 1000) / (at - last.at);
    this.last = { done: load.done, at };
    const refused = load.problem === "" ? "" : `; ${count(load.refused)} refused: ${load.problem}`;
    write(this.progress, `${count(rate)} of ${count(this.wanted)} a second${refused}`);
  }
}
