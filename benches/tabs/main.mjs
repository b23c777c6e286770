// `cargo xtask bench --only tabs`: how long tabs wait for each other, in Chromium, each in a renderer of
// its own, beside what the browser itself takes for it.
//
//   node benches/tabs/main.mjs [--short] [--rounds N]
//
// `--short` measures nothing: it sees to it that all of the work is done, and done right.
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { about, keep } from "../results.mjs";
import { measureFailovers } from "./failovers.mjs";
import { measureJoins } from "./joins.mjs";
import { markdown } from "./report.mjs";
import { Tabs } from "./tabs.mjs";
import { measureReplication, measureWrites } from "./writes.mjs";

const { values } = parseArgs({
  options: { short: { type: "boolean", default: false }, rounds: { type: "string", default: "9" } },
});
const options = { isShort: values.short, rounds: values.short ? 1 : Number(values.rounds) };

const load = () => loadavg()[0].toFixed(1);
const before = load();
const tabs = await Tabs.launch();
const results = {
  written: await measureWrites(tabs, options),
  replicated: await measureReplication(tabs, options),
  replaced: await measureFailovers(tabs, options),
  joined: await measureJoins(tabs, options),
};
results.about = `Chromium ${tabs.version}, ${about(options.rounds)}, load ${before} before and ${load()} after`;
await tabs.end();
if (options.isShort) {
  console.log("written, replicated, replaced and joined");
} else {
  await keep("tabs", results, markdown(results));
  console.log(markdown(results));
}
