// What a run came to, for people.
import { spread } from "../results.mjs";
import { WRITERS, works } from "./writes.mjs";

const micros = (ms) => `${(ms * 1000).toFixed(ms < 0.01 ? 2 : ms < 0.1 ? 1 : 0)} µs`;
const whole = (number) => Math.round(number).toLocaleString("en-US");
const row = (cells) => `| ${cells.join(" | ")} |`;

function table(heads, rows) {
  const line = heads.map((_, i) => (i < 1 ? "---" : "---:"));
  return [row(heads), row(line), ...rows.map(row)];
}

function openings({ opened, rewritten }) {
  const { count, ms, tasks, busy, longest, writes, longestWrite } = rewritten;
  return [
    "## Opening",
    "",
    "Each in a page that has just been opened.",
    "",
    ...table(["", "time"], opened.map((result) => [result.what, `${result.median.toFixed(1)} ms ${spread(result)}`])),
    "",
    `## A rewrite of ${whole(count)} keys`,
    "",
    `In ${(ms / 1000).toFixed(1)} s and ${whole(tasks)} tasks, which kept the main thread busy for ${(busy / 1000).toFixed(1)} s of them; the longest`,
    `took ${longest.toFixed(1)} ms. The page wrote ${whole(writes)} keys meanwhile; the longest of those tasks took ${longestWrite.toFixed(1)} ms.`,
  ];
}

function writes(written) {
  const titles = works(false).map(({ title }) => title);
  const of = (show) =>
    WRITERS.filter(({ place }) => show.promise || place === "page").map(({ name, mode, promise }) => [
      `${name}, ${mode}`,
      ...show.promise ? [promise] : [],
      ...titles.map((title) => show.cell(written.find((one) => one.work === title && one.writer === name && one.mode === mode))),
    ]);
  const acknowledged = ({ bytes, acknowledged }) => {
    const { median } = acknowledged;
    const rate = bytes > 1000 ? `${(bytes / median / 1000).toFixed(0)} MB/s` : `${whole(1000 / median)}/s`;
    return `${micros(median)}, ${rate} ${spread(acknowledged)}`;
  };
  return [
    "## Writes",
    "",
    "Time per write until it is acknowledged, and how many that makes a second. They do not all promise",
    "the same: compare those with the same promise. In a page unless told otherwise; OPFS is in a worker.",
    "",
    ...table(["writer", "an acknowledged write is", ...titles], of({ promise: true, cell: acknowledged })),
    "",
    "Processor time of the main thread per write, until all of them are stored. Lodis's share of writing",
    "its log anew, which it does by itself as the log grows, is in it:",
    "",
    ...table(["writer", ...titles], of({ cell: ({ main }) => `${micros(main.median)} ${spread(main)}` })),
  ];
}

function sizes(sized) {
  const per = (bytes, of) => (bytes === undefined ? "" : (bytes / of).toFixed(2));
  const lines = ["## Bytes", "", "Per byte of keys and values: what was handed to the store and what the browser wrote, per byte that was"];
  lines.push("set; what the browser counts as kept, per byte that is there in the end.", "");
  const heads = ["writer", "handed over", "written", "kept", "kept after a rewrite"];
  for (const work of new Set(sized.map(({ work }) => work))) {
    const rows = sized
      .filter((one) => one.work === work)
      .map(({ writer, given, live, handed, written, kept, keptAfter }) => [
        writer,
        per(handed, given),
        per(written, given),
        per(kept, live),
        per(keptAfter, live),
      ]);
    lines.push(`${work}:`, "", ...table(heads, rows), "");
  }
  return lines.slice(0, -1);
}

export function markdown({ about, openings: opened, written, sized }) {
  const head = ["# The store", "", `${about}. Medians, and how far the middle half of the samples spreads.`];
  return `${[...head, "", ...openings(opened), "", ...writes(written), "", ...sizes(sized)].join("\n")}\n`;
}
