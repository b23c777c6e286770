import { element } from "../element.js";

/** A minute, in seconds. */
const POINTS = 60;
const WIDTH = 240;
const HEIGHT = 44;
const SVG = "http://www.w3.org/2000/svg";

/** A figure, what it is called, and how it went in the last minute. */
export class Plot {
  readonly element: HTMLElement;
  private readonly value = element("dd", {}, "–");
  private readonly note = element("p", { class: "plot-note" });
  private readonly line = document.createElementNS(SVG, "polyline");
  private points: number[] = [];

  constructor(
    title: string,
    private readonly text: (value: number) => string,
  ) {
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true");
    this.line.setAttribute("vector-effect", "non-scaling-stroke");
    picture.append(this.line);
    const figure = element("dl", {}, element("dt", {}, title), this.value);
    this.element = element("div", { class: "plot" }, figure, this.note);
    this.element.append(picture);
  }

  /** Adds what was measured a second after the last. */
  add(value: number, note = ""): void {
    this.points = [...this.points, value].slice(-POINTS);
    this.value.textContent = this.text(value);
    this.note.textContent = note;
    const most = Math.max(...this.points, Number.EPSILON);
    const step = WIDTH / (POINTS - 1);
    const first = POINTS - this.points.length;
    const at = (point: number, index: number): string =>
      `${((first + index) * step).toFixed(1)},${(HEIGHT - 2 - (point / most) * (HEIGHT - 4)).toFixed(1)}`;
    this.line.setAttribute("points", this.points.map(at).join(" "));
  }
}
