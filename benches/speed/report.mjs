// From samples to tables. Only ratios within a run mean something: machines differ, and are shared.

import { spread } from "../results.mjs";
import { goalsTable } from "./goals.mjs";

const nanoseconds = (value) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)} ms` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} µs` : `${value.toFixed(0)} ns`;

/** `results`: runtime, workload, subject, and its summary. */
export function markdown(results, about) {
  const lines = [`# Speed`, "", `${about}. Time per command: median of the samples, and how far the middle half of them spreads.`];
  for (const runtime of new Set(results.map((result) => result.runtime))) {
    const mine = results.filter((result) => result.runtime === runtime);
    const subjects = [...new Set(mine.map((result) => result.subject))];
    lines.push("", `## ${runtime}`, "", `| | ${subjects.join(" | ")} |`, `| --- |${" ---: |".repeat(subjects.length)}`);
    for (const workload of new Set(mine.map((result) => result.workload))) {
      const cells = subjects.map((subject) => {
        const found = mine.find((result) => result.workload === workload && result.subject === subject);
        if (found === undefined) return "";
        return `${nanoseconds(found.median)} ${spread(found)}`;
      });
      lines.push(`| ${workload} | ${cells.join(" | ")} |`);
    }
    lines.push(...goalsTable(results, runtime));
  }
  return `${lines.join("\n")}\n`;
}

const COLORS = ["#6b7280", "#a16207", "#0f766e", "#b91c1c", "#ef4444", "#1d4ed8", "#7c3aed", "#c2410c", "#15803d", "#be185d"];
const ROW = 12;
const LABEL = 300;
const WIDTH = 960;
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** A bar for every result of a runtime, on a logarithmic scale. */
export function plot(results, runtime) {
  const mine = results.filter((result) => result.runtime === runtime);
  const subjects = [...new Set(mine.map((result) => result.subject))];
  const logs = mine.map((result) => Math.log10(result.median));
  const [least, most] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const x = (value) => LABEL + ((Math.log10(value) - least) / (most - least)) * (WIDTH - LABEL - 80);
  const parts = [];
  let y = 40;
  for (const [index, subject] of subjects.entries()) {
    const at = 10 + index * 95;
    parts.push(`<rect x="${at}" y="8" width="10" height="10" fill="${COLORS[index % COLORS.length]}"/>`);
    parts.push(`<text x="${at + 14}" y="17">${escaped(subject)}</text>`);
  }
  for (const workload of new Set(mine.map((result) => result.workload))) {
    y += 6;
    parts.push(`<text x="10" y="${y + 10}">${escaped(workload)}</text>`);
    for (const [index, subject] of subjects.entries()) {
      const found = mine.find((result) => result.workload === workload && result.subject === subject);
      if (found === undefined) continue;
      const width = Math.max(1, x(found.median) - LABEL);
      parts.push(`<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 3}" fill="${COLORS[index % COLORS.length]}"/>`);
      parts.push(`<text x="${(LABEL + width + 4).toFixed(1)}" y="${y + 8}" font-size="9">${nanoseconds(found.median)}</text>`);
      y += ROW;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 20}" font-family="system-ui, sans-serif" font-size="11" fill="#374151">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="10" y="34">${escaped(runtime)}: time per command, logarithmic</text>
${parts.join("\n")}
</svg>
`;
}
