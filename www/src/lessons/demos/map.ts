import { element } from "../../element.js";
import type { Stage } from "../lesson.js";

const SVG = "http://www.w3.org/2000/svg";
const [WEST, EAST, SOUTH, NORTH] = [12, 16, 36.5, 39.1] as const;
const WIDTH = 340;
/** A degree of longitude is shorter than one of latitude, this far north. */
const SHORTER = Math.cos((37.5 * Math.PI) / 180);
const SCALE = WIDTH / (EAST - WEST);
const HEIGHT = ((NORTH - SOUTH) * SCALE) / SHORTER;
const KM_PER_DEGREE = 111.2;

/** The coast of Sicily, roughly: longitudes and latitudes. */
const COAST = [
  [12.43, 37.8], [12.51, 38.02], [12.75, 38.17], [13.36, 38.15], [14.02, 38.05], [14.75, 38.16], [15.24, 38.27],
  [15.65, 38.27], [15.55, 38.12], [15.2, 37.75], [15.1, 37.4], [15.3, 37.05], [15.14, 36.68], [14.5, 36.78],
  [14.25, 37.06], [13.58, 37.26], [13.0, 37.5], [12.65, 37.56],
] as const;

function at(longitude: number, latitude: number): [x: number, y: number] {
  return [(longitude - WEST) * SCALE, ((NORTH - latitude) * SCALE) / SHORTER];
}

function shape(name: string, attributes: Readonly<Record<string, string | number>>, text = ""): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

/** Draws the members of a geo set as they come, and a circle around one of them. */
export function mapDemo(key: string, center: string, km: number): (stage: Stage) => HTMLElement {
  return (stage) => {
    const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT.toFixed(0)}`, role: "img", class: "map" });
    const caption = element("p", { class: "demo-news" });
    const draw = async (): Promise<void> => {
      const { redis } = stage;
      const names = await redis.zRange(key, 0, -1);
      const places = names.length > 0 ? await redis.geoPos(key, names) : [];
      const points = names.flatMap((name, index) => (places[index] ? [[name, places[index]] as const] : []));
      picture.replaceChildren(shape("polygon", { points: COAST.map(([x, y]) => at(x, y).join(",")).join(" "), class: "land" }));
      for (const [name, [longitude, latitude]] of points) {
        const [x, y] = at(Number(longitude), Number(latitude));
        if (name === center) {
          picture.append(shape("circle", { cx: x, cy: y, r: (km / KM_PER_DEGREE / SHORTER) * SCALE, class: "around" }));
        }
        picture.append(shape("circle", { cx: x, cy: y, r: 4, class: "place" }), shape("text", { x: x + 7, y: y - 5 }, name));
      }
      const said = points.map(([name, [x, y]]) => `${name} (${Number(x).toFixed(2)}, ${Number(y).toFixed(2)})`).join(", ");
      caption.textContent = points.length > 0 ? `On the map: ${said}. The circle is ${km} km around ${center}.` : "Nothing is on the map yet.";
      picture.setAttribute("aria-label", caption.textContent);
    };
    stage.every(draw);
    const demo = element("div", { class: "demo" }, caption);
    demo.prepend(picture);
    return demo;
  };
}
