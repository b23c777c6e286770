import { element } from "../element.js";

/** So much of the past is shown, in milliseconds. */
const SPAN_MS = 60_000;
/** Points further apart than this are not joined: nobody looked in between. */
const GAP_MS = 4000;
const WIDTH = 240;
const HEIGHT = 56;
const SVG = "http://www.w3.org/2000/svg";

/** How the values of a plot are written, and how far its axis goes. */
export interface Scale {
  readonly text: (value: number) => string;
  /** The end of the axis, for the greatest value that is shown. */
  readonly top: (most: number) => number;
}

/** 1, 2 or 5 times a power of ten, so that the axis does not change with every value. */
export function round(most: number, least = 10): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, least)));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= Math.max(most, least)) ?? most;
}

/** The same for bytes: a power of two. */
export function roundBytes(most: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(most, 1024)));
}

interface Point {
  readonly at: number;
  readonly value: number;
}

/** A figure, what it is called, and how it went in the last minute. */
export class Plot {
  readonly element: HTMLElement;
  private readonly value = element("dd", {}, "–");
  private readonly lowest = element("dd", {}, "–");
  private readonly highest = element("dd", {}, "–");
  private readonly note = element("p", { class: "plot-note" });
  private readonly top = element("span", { class: "plot-top" });
  private readonly line = document.createElementNS(SVG, "path");
  private points: Point[] = [];

  constructor(
    title: string,
    private readonly scale: Scale,
  ) {
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    const grid = document.createElementNS(SVG, "path");
    grid.setAttribute("class", "plot-grid");
    grid.setAttribute("d", [0, HEIGHT / 2, HEIGHT].map((y) => `M0 ${y}H${WIDTH}`).join("") + [1, 2].map((x) => `M${(x * WIDTH) / 3} 0V${HEIGHT}`).join(""));
    this.line.setAttribute("class", "plot-line");
    picture.append(grid, this.line);
    const pair = (name: string, value: HTMLElement, className: string): HTMLElement => element("div", { class: className }, element("dt", {}, name), value);
    const figures = element(
      "dl",
      {},
      pair(title, this.value, "plot-value"),
      pair("lowest", this.lowest, "plot-range"),
      pair("highest", this.highest, "plot-range"),
    );
    // The picture says nothing that the figures do not.
    const axes = [this.top, element("span", { class: "plot-zero" }, "0"), element("span", { class: "plot-past" }, "1 min ago"), element("span", { class: "plot-now" }, "now")];
    const frame = element("div", { class: "plot-frame", ariaHidden: "true" }, ...axes);
    frame.append(picture);
    this.element = element("div", { class: "plot" }, figures, this.note, frame);
  }

  /** Adds what was measured; without a value there was nothing to be measured. */
  add(at: number, value: number | undefined, note = ""): void {
    this.points = this.points.filter((point) => at - point.at <= SPAN_MS);
    if (value !== undefined) this.points.push({ at, value });
    const { text, top } = this.scale;
    write(this.value, value === undefined ? "–" : text(value));
    write(this.note, note);
    const values = this.points.map((point) => point.value);
    const isKnown = values.length > 0;
    write(this.lowest, isKnown ? text(Math.min(...values)) : "–");
    write(this.highest, isKnown ? text(Math.max(...values)) : "–");
    const end = top(Math.max(0, ...values));
    write(this.top, text(end));
    this.draw(at, end);
  }

  private draw(now: number, end: number): void {
    let path = "";
    let before = -Infinity;
    for (const { at, value } of this.points) {
      const x = WIDTH * (1 - (now - at) / SPAN_MS);
      const y = HEIGHT * (1 - value / end);
      path += `${at - before > GAP_MS ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
      // A point that is alone is seen, too.
      if (at - before > GAP_MS) path += "h.1";
      before = at;
    }
    this.line.setAttribute("d", path);
  }
}

/** Changes a text, if it is another one. */
export function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
