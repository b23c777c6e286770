import { quoted } from "lodis/terminal";
import { element } from "../../element.js";
import { numberOf, type Stage, textOf } from "../lesson.js";
import { action, buttonRow, demoBox, newsLine } from "./action.js";
import { shape } from "./svg.js";

export const LIMIT = 3;
const WINDOW_MS = 4000;
/** How far from the border of two windows the calls are. */
const AROUND_MS = 600;
const [WIDTH, ROW, MARGIN] = [340, 44, 8];
const SHOWN_MS = 2 * WINDOW_MS;

/**
 * Lets a call pass, and answers 1, or 0: KEYS[1] has the times of those in the window of ARGV[1] ms, of which
 * there may be ARGV[2]; ARGV[3] names the call.
 */
export const SLIDING = [
  "local t = redis.call('TIME')",
  "local now = t[1] * 1000 + math.floor(t[2] / 1000)",
  "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])",
  "if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end",
  "redis.call('ZADD', KEYS[1], now, ARGV[3])",
  "redis.call('PEXPIRE', KEYS[1], ARGV[1])",
  "return 1",
].join(" ");

interface Call {
  readonly time: number;
  readonly passed: boolean;
}
interface Limiter {
  readonly name: string;
  /** The line that asks whether a call may pass, and whether what it answered says so. */
  readonly line: (time: number, call: string) => string;
  readonly passes: (answer: number) => boolean;
}

const FIXED: Limiter = {
  name: "Fixed window",
  line: (time) => `INCR ${keyOf(time)}`,
  passes: (count) => count <= LIMIT,
};
const exact = (digest: string): Limiter => ({
  name: "Sliding window",
  line: (_, call) => `EVALSHA ${digest} 1 rate-limits:sliding ${WINDOW_MS} ${LIMIT} ${call}`,
  passes: (answer) => answer === 1,
});
const keyOf = (time: number): string => `rate-limits:fixed:${Math.floor(time / WINDOW_MS)}`;

/** Has the store keep the script; answers the digest by which it is called. */
async function loaded(stage: Stage): Promise<string> {
  await stage.scripts.load();
  const [reply] = await stage.run(`SCRIPT LOAD ${quoted(new TextEncoder().encode(SLIDING))}`);
  return textOf(reply);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Six calls around the border of two windows, and which of them pass. */
export function burstDemo(isCompared: boolean): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine();
    const picture = element("div");
    const burst = async (): Promise<string> => {
      const limiters = [FIXED, ...(isCompared ? [exact(await loaded(stage))] : [])];
      const calls = limiters.map((): Call[] => []);
      let border = Math.ceil((Date.now() + AROUND_MS) / WINDOW_MS) * WINDOW_MS;
      // Of a window in which there were calls before, less is left.
      while (await stage.redis.exists(keyOf(border - 1))) border += WINDOW_MS;
      news.textContent = "Waiting for the end of a window…";
      for (const start of [border - AROUND_MS, border + 1]) {
        await sleep(Math.max(start - Date.now(), 0));
        for (let call = 1; call <= LIMIT; call++) {
          const time = Date.now();
          for (const [index, limiter] of limiters.entries()) {
            const [reply] = await stage.run(limiter.line(time, `${time}-${call}`));
            calls[index]!.push({ time, passed: reply !== undefined && limiter.passes(numberOf(reply)) });
          }
          if (call === 1) await stage.run(`EXPIRE ${keyOf(time)} 60 NX`);
        }
      }
      const said = limiters.map(({ name }, index) => `${name}: ${calls[index]!.filter(({ passed }) => passed).length} of ${2 * LIMIT} calls passed.`).join(" ");
      picture.replaceChildren(drawn(limiters.map(({ name }, index) => [name, calls[index]!]), border, said));
      return said;
    };
    return demoBox(buttonRow(action(`${2 * LIMIT} calls around the border`, burst, news)), picture, news);
  };
}

/** Calls on a line of time for each limiter, with the border of two windows. */
function drawn(rows: readonly (readonly [string, readonly Call[]])[], border: number, said: string): SVGElement {
  const height = rows.length * ROW + 18;
  const from = border - SHOWN_MS / 2;
  const x = (time: number): number => MARGIN + ((time - from) / SHOWN_MS) * (WIDTH - 2 * MARGIN);
  const shapes = rows.flatMap(([name, calls], index) => {
    const y = index * ROW + 32;
    const marks = calls.map(({ time, passed }, at) => {
      // Calls of the same moment stand above each other.
      const rank = calls.slice(0, at).filter((other) => (other.time < border) === (time < border)).length;
      return shape("text", { x: x(time) + (time < border ? -22 : 8) + rank * 11, y: y - 3, class: passed ? "passed" : "refused" }, passed ? "✓" : "✗");
    });
    return [shape("text", { x: MARGIN, y: y - 16 }, name), shape("line", { x1: MARGIN, x2: WIDTH - MARGIN, y1: y, y2: y, class: "axis" }), ...marks];
  });
  const line = shape("line", { x1: x(border), x2: x(border), y1: 4, y2: height - 14, class: "border" });
  const label = shape("text", { x: x(border), y: height - 2, "text-anchor": "middle" }, "a new window begins");
  return shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "calls", "aria-label": `Calls around the border of two windows. ${said}` }, ...shapes, line, label);
}

/** How far the module is that runs scripts. */
export function scriptsDemo(stage: Stage): HTMLElement {
  const state = newsLine();
  const bar = element("progress", { ariaLabel: "Loading what runs scripts", hidden: true });
  let began: number | undefined;
  const show = (): void => {
    const now = stage.scripts.state;
    if (now === "loading") began ??= performance.now();
    bar.hidden = now !== "loading";
    const took = began === undefined ? "" : ` It took ${Math.round(performance.now() - began)} ms.`;
    const said = { none: "What runs Lua is not loaded yet: the first script loads it, once.", loading: "Loading what runs Lua…", ready: "Scripts run here now." }[now];
    if (!state.textContent?.startsWith(said)) state.textContent = said + (now === "ready" ? took : "");
  };
  const load = action("Load it now", async () => {
    const loading = stage.scripts.load();
    show();
    await loading;
    show();
  });
  stage.every(async () => {
    show();
    load.hidden = stage.scripts.state !== "none";
  });
  return demoBox(buttonRow(load, bar), state);
}
