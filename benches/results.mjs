// What a run came to: from samples to numbers, and into `benches/results`.
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";

const FOLDER = new URL("results/", import.meta.url);
const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

/** Median and quartiles of samples. */
export function summary(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  return { median: at(sorted, 0.5), low: at(sorted, 0.25), high: at(sorted, 0.75) };
}

/** How far the middle half of the samples spreads. */
export const spread = ({ median, low, high }) => `±${(((high - low) / median / 2) * 100).toFixed(0)} %`;

/** Where a run was, and how long it took. */
export const about = (rounds) => `${cpus().length} × ${cpus()[0].model}, ${rounds} rounds`;

/** Writes `NAME.json` with the results, `NAME.md` for people, and what else there is by its name. */
export async function keep(name, results, markdown, others = {}) {
  await mkdir(FOLDER, { recursive: true });
  const files = { [`${name}.json`]: `${JSON.stringify(results, undefined, 1)}\n`, [`${name}.md`]: markdown, ...others };
  for (const [file, text] of Object.entries(files)) await writeFile(new URL(file, FOLDER), text);
}
