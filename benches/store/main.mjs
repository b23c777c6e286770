// `cargo xtask bench --only store`: how long stores take to open and writes to be acknowledged and
// stored, and what they take on the disk, in Chromium.
//
//   node benches/store/main.mjs [--short] [--rounds N]
//
// `--short` measures nothing: it sees to it that all of the work is done, and done right.
import { parseArgs } from "node:util";
import { launch } from "../browser.mjs";
import { about, keep } from "../results.mjs";
import { measureOpenings } from "./openings.mjs";
import { markdown } from "./report.mjs";
import { measureSizes } from "./sizes.mjs";
import { measureWrites } from "./writes.mjs";

const { values } = parseArgs({
  options: { short: { type: "boolean", default: false }, rounds: { type: "string", default: "9" } },
});
const options = { isShort: values.short, rounds: values.short ? 1 : Number(values.rounds) };

const browser = await launch(new URL("./page.mjs", import.meta.url));
const results = {
  about: `Chromium ${browser.version}, ${about(options.rounds)}`,
  openings: await measureOpenings(browser, options),
  written: await measureWrites(browser, options),
  sized: await measureSizes(browser, options),
};
await browser.close();
if (options.isShort) {
  console.log("opened, written and counted");
} else {
  await keep("store", results, markdown(results));
  console.log(markdown(results));
}
