// What is to be reached, as ratios within a run: how many times as fast one is as the other.

const goal = (subject, workload, than, least, baseline = workload) => ({ subject, workload, than, least, baseline });

const MANY_TIMES = [
  "HSET, 1,000 fields",
  "HGET, 1,000 fields",
  "ZADD, 1,000 members",
  "ZRANGE 0 9, 1,000 members",
  "LPUSH and RPOP, 100,000 elements",
];

/** A fifth of Map in Node, an eighth in a browser. */
const goals = (isNode) => [
  goal("Lodis sync", "GET, 32 B, hot", "Map", 1 / 2),
  goal("Lodis sync", "GET, 32 B, just written", "Map", isNode ? 1 / 5 : 1 / 8),
  goal("Lodis sync", "GET, 32 B, just written", "ioredis-mock", 3),
  goal("Lodis sync", "SET, 32 B", "Map", isNode ? 1 / 5 : 1 / 8),
  goal("Lodis sync", "SET, 32 B", "ioredis-mock", 3),
  ...["GET, 32 B, hot", "GET, 32 B, just written", "SET, 32 B"].flatMap((workload) => [
    goal("Lodis", workload, "ioredis-mock", 2),
    goal("Lodis", workload, "redis", 100),
  ]),
  ...MANY_TIMES.map((workload) => goal("Lodis", workload, "ioredis-mock", 20)),
  goal("Lodis", "pipeline of 1,000 GET", "Lodis", 2, "GET, 32 B, just written"),
  goal("Lodis", "pipeline of 1,000 SET", "Lodis", 2, "SET, 32 B"),
  goal("Lodis", "pipeline of 1,000 GET", "ioredis-mock", 4),
  goal("Lodis", "pipeline of 1,000 SET", "ioredis-mock", 4),
  goal("Lodis stored", "durable SET, 1,000 at once", "idb-keyval", 10, "durable SET, one by one"),
];

const times = (ratio) => (ratio < 1 ? `1/${(1 / ratio).toFixed(1)}` : ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0));

/** A table of the goals that this run of `runtime` can tell of. */
export function goalsTable(results, runtime) {
  const lines = [];
  for (const { subject, workload, than, least, baseline } of goals(runtime.startsWith("Node"))) {
    const median = (name, work) =>
      results.find((one) => one.runtime === runtime && one.subject === name && one.workload === work)?.median;
    const [mine, theirs] = [median(subject, workload), median(than, baseline)];
    if (mine === undefined || theirs === undefined) continue;
    const versus = baseline === workload ? than : `${than}, ${baseline}`;
    const reached = theirs / mine;
    lines.push(`| ${subject}, ${workload} | ${versus} | ${times(least)} | ${times(reached)} | ${reached >= least ? "yes" : "no"} |`);
  }
  if (lines.length === 0) return [];
  return ["", "Goals: how many times as fast.", "", "| | as | wanted | is | reached |", "| --- | --- | ---: | ---: | --- |", ...lines];
}
