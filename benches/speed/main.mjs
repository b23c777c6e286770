// `cargo xtask bench --only speed`: every workload by every subject, samples in turn.
//
//   node benches/speed/main.mjs [--short] [--rounds N] [--match TEXT] [--in node|chromium]
//
// `--short` measures nothing: it sees to it that all of the work is done, and done right.
import { parseArgs } from "node:util";
import { about, keep, summary } from "../results.mjs";
import * as chromium from "./chromium.mjs";
import * as node from "./node.mjs";
import { markdown, plot } from "./report.mjs";
import { workloads } from "./workloads.mjs";

const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    rounds: { type: "string", default: "15" },
    match: { type: "string", default: "" },
    in: { type: "string", default: "" },
  },
});
const rounds = options.short ? 1 : Number(options.rounds);
const results = [];

async function measure(runtime, { subjects, close }) {
  for (const [index, workload] of workloads(options.short).entries()) {
    if (!workload.name.includes(options.match)) continue;
    const taking = [];
    for (const subject of subjects) {
      const prepared = await subject.prepare(index);
      if (prepared === "yes") taking.push({ subject, samples: [] });
      if (prepared === "too slow") console.log(`${workload.name}: ${subject.name} is too slow to fill`);
    }
    for (let round = 0; round < rounds; round++) {
      for (const { subject, samples } of taking) samples.push(await subject.sample());
    }
    for (const { subject, samples } of taking) {
      results.push({ runtime, workload: workload.name, subject: subject.name, ...summary(samples) });
    }
    const mine = results.slice(-taking.length);
    console.log(`${workload.name}: ${mine.map((one) => `${one.subject} ${one.median.toFixed(0)}`).join(", ")}`);
  }
  await close();
}

if (options.in !== "chromium") await measure(`Node ${process.versions.node}`, await node.openAll(options.short));
if (options.in !== "node") {
  const opened = await chromium.openAll(options.short);
  await measure(`Chromium ${opened.version}`.trim(), opened);
}
if (!options.short && options.match === "" && options.in === "") {
  const where = about(rounds);
  const runtimes = [...new Set(results.map((result) => result.runtime))];
  const plots = runtimes.map((runtime) => [`speed-${runtime.split(" ")[0].toLowerCase()}.svg`, plot(results, runtime)]);
  await keep("speed", { about: where, results }, markdown(results, where), Object.fromEntries(plots));
}
