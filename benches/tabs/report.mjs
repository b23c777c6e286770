// What a run came to, for people.
import { spread } from "../results.mjs";

const whole = (number) => Math.round(number).toLocaleString("en-US");
const micros = (ms) => (ms === undefined ? "" : `${whole(ms * 1000)} µs`);
const row = (cells) => `| ${cells.join(" | ")} |`;

function table(heads, rows) {
  const line = heads.map((_, i) => (i < 1 ? "---" : "---:"));
  return [row(heads), row(line), ...rows.map(row)];
}

function writes(written) {
  const rows = written.map((result) => [
    result.what,
    result.tabs,
    `${micros(result.median)} ${spread(result)}`,
    micros(result.p99),
    result.ratio ? `${result.ratio.median.toFixed(2)} ${spread(result.ratio)}` : "",
  ]);
  return [
    "## Writes of a tab that does not lead",
    "",
    "Each until it was answered, and beside what the browser itself took in the same round: one by one beside one by",
    "one, at once beside at once. Bare messages go to as many tabs, and one of them answers.",
    "",
    ...table(["", "tabs", "each", "p99", "ratio"], rows),
  ];
}

const WORDS = { close: "closed", kill: "killed" };
/** Another tab is to lead in less. */
const GOAL_MS = 300;

function failovers(replaced) {
  const rows = replaced.map(({ how, count, answered, most, granted }) => [
    `${WORDS[how]}, ${count === 0 ? "an empty store" : `${whole(count)} keys`}`,
    `${answered.median.toFixed(0)} ms ${spread(answered)}`,
    `${most.toFixed(0)} ms`,
    `${granted.median.toFixed(0)} ms ${spread(granted)}`,
  ]);
  const most = Math.max(...replaced.map(({ most }) => most));
  return [
    "## The tab that leads ends",
    "",
    "Two others write one after the other. From the end until one of their writes is answered again; a bare Web Lock",
    "that the same tab held is another one's in the time beside it.",
    "",
    ...table(["it is", "a write", "at most", "a bare lock"], rows),
    "",
    `Goal: less than ${GOAL_MS} ms each time. ${most < GOAL_MS ? "Reached" : "Not reached"}.`,
  ];
}

export function markdown({ about, written, replicated, replaced, joined }) {
  const { count, copies, perSecond } = replicated;
  const head = ["# Tabs", "", `${about}. A process for each tab. Medians, and how far the middle half of the samples spreads.`];
  const replication = [
    "## Copies",
    "",
    `${whole(count)} SETs of the tab that leads, each with a promise, a thousand in a task, until all ${copies} copies have`,
    `them: ${whole(perSecond.median)} a second ${spread(perSecond)}.`,
  ];
  const joins = [
    `## A tab opens ${whole(joined[0].count)} keys`,
    "",
    ...table(["", "until they can be read"], joined.map((result) => [result.what, `${whole(result.median)} ms ${spread(result)}`])),
  ];
  return `${[...head, "", ...writes(written), "", ...replication, "", ...failovers(replaced), "", ...joins].join("\n")}\n`;
}
