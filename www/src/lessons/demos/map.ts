import type { Redis } from "lodis";
import { element } from "../../element.js";
import { type Seen, type Stage, textOf } from "../lesson.js";
import { demoBox } from "./action.js";
import { shape } from "./svg.js";

const [WEST, EAST, SOUTH, NORTH] = [11.8, 16.2, 36.4, 39.0] as const;
const WIDTH = 340;
/** A degree of longitude is shorter than one of latitude, this far north. */
const SHORTER = Math.cos((37.5 * Math.PI) / 180);
const SCALE = WIDTH / (EAST - WEST);
const HEIGHT = ((NORTH - SOUTH) * SCALE) / SHORTER;
const KM_PER_DEGREE = 111.2;
const KM_PER_UNIT: Readonly<Record<string, number>> = { M: 0.001, KM: 1, MI: 1.609344, FT: 0.0003048 };

/** The coast of Sicily, roughly: longitudes and latitudes. */
const COAST = [
  [12.43, 37.8], [12.51, 38.02], [12.75, 38.17], [13.36, 38.15], [14.02, 38.05], [14.75, 38.16], [15.24, 38.27],
  [15.65, 38.27], [15.55, 38.12], [15.2, 37.75], [15.1, 37.4], [15.3, 37.05], [15.14, 36.68], [14.5, 36.78],
  [14.25, 37.06], [13.58, 37.26], [13.0, 37.5], [12.65, 37.56],
] as const;

type Point = readonly [longitude: number, latitude: number];

/** Where a search looks: around a point, half as wide and as high as it is in km; `isRound` is a circle. */
interface Area {
  readonly center: Point;
  readonly across: number;
  readonly up: number;
  readonly isRound: boolean;
  readonly said: string;
}

function at([longitude, latitude]: Point): [x: number, y: number] {
  return [(longitude - WEST) * SCALE, ((NORTH - latitude) * SCALE) / SHORTER];
}

/** Draws the members of a geo set as they come, and where the last search looked, and what it found. */
export function mapDemo(key: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT.toFixed(0)}`, role: "img", class: "map" });
    const caption = element("p", { class: "demo-news" });
    stage.every(async () => {
      const { redis } = stage;
      const names = await redis.zRange(key, 0, -1);
      const places = names.length > 0 ? await redis.geoPos(key, names) : [];
      const points = names.flatMap((name, index) => {
        const place = places[index];
        return place ? [[name, [Number(place[0]), Number(place[1])]] as const] : [];
      });
      const search = stage.ran.findLast(({ words }) => words[0]?.toUpperCase() === "GEOSEARCH" && words[1] === key);
      const area = search && (await areaOf(redis, search.words));
      const found = new Set(search ? names.filter((name) => textsOf(search).includes(name)) : []);
      const said = saidOf(points, area, [...found]);
      if (caption.textContent === said) return;
      caption.textContent = said;
      picture.setAttribute("aria-label", `A map of Sicily. ${said}`);
      picture.replaceChildren(...shapesOf(points, area, found));
    });
    return demoBox(picture, caption);
  };
}

function textsOf({ replies }: Seen): string[] {
  const reply = replies[0];
  if (!reply || !("items" in reply)) return [];
  return reply.items.map((item) => textOf("items" in item ? item.items[0] : item));
}

/** What a GEOSEARCH asks for: FROMMEMBER or FROMLONLAT, BYRADIUS or BYBOX. */
async function areaOf(redis: Redis, words: readonly string[]): Promise<Area | undefined> {
  const after = (name: string, count: number): string[] => {
    const index = words.findIndex((word) => word.toUpperCase() === name);
    return index < 0 ? [] : words.slice(index + 1, index + 1 + count);
  };
  const [member] = after("FROMMEMBER", 1);
  const place = member === undefined ? after("FROMLONLAT", 2) : ((await redis.geoPos(words[1]!, [member]))[0] ?? []);
  const center: Point = [Number(place[0]), Number(place[1])];
  const around = member ?? place.join(", ");
  const [radius, unit] = after("BYRADIUS", 2);
  const [width, height, boxUnit] = after("BYBOX", 3);
  const km = KM_PER_UNIT[(unit ?? boxUnit ?? "").toUpperCase()] ?? NaN;
  const area = radius !== undefined
    ? { center, across: Number(radius) * km, up: Number(radius) * km, isRound: true, said: `a circle of ${radius} ${unit} around ${around}` }
    : { center, across: (Number(width) * km) / 2, up: (Number(height) * km) / 2, isRound: false, said: `a box of ${width} by ${height} ${boxUnit} around ${around}` };
  return [...center, area.across, area.up].every(Number.isFinite) ? area : undefined;
}

function saidOf(points: readonly (readonly [string, Point])[], area: Area | undefined, found: readonly string[]): string {
  if (points.length === 0) return "Nothing is on the map yet.";
  const places = points.map(([name, [x, y]]) => `${name} (${x.toFixed(2)}, ${y.toFixed(2)})`).join(", ");
  const search = area ? ` Searched: ${area.said}. Found: ${found.join(", ") || "nothing"}.` : "";
  return `On the map: ${places}.${search}`;
}

function shapesOf(points: readonly (readonly [string, Point])[], area: Area | undefined, found: ReadonlySet<string>): SVGElement[] {
  const shapes = [shape("polygon", { points: COAST.map((point) => at(point).join(",")).join(" "), class: "land" })];
  if (area) shapes.push(areaShape(area));
  for (const [name, point] of points) {
    const [x, y] = at(point);
    shapes.push(shape("circle", { cx: x, cy: y, r: 4, class: found.has(name) ? "place found" : "place" }), shape("text", { x: x + 7, y: y - 5 }, name));
  }
  return shapes;
}

function areaShape({ center, across, up, isRound }: Area): SVGElement {
  const [x, y] = at(center);
  const [rx, ry] = [(across / KM_PER_DEGREE / SHORTER) * SCALE, (up / KM_PER_DEGREE / SHORTER) * SCALE];
  if (isRound) return shape("ellipse", { cx: x, cy: y, rx, ry, class: "around" });
  return shape("rect", { x: x - rx, y: y - ry, width: 2 * rx, height: 2 * ry, class: "around" });
}
