// `cargo xtask bench --only serve`: redis-benchmark against `lodis serve` and a real redis-server,
// one after the other for every test and pipeline length, several rounds.
//
//   node benches/serve/main.mjs [--short] [--rounds N] [--match TEXT]
//
// `--short` measures nothing: both have to run every test, and to hold the same afterwards.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { parseArgs, promisify } from "node:util";
import { about, keep, spread, summary } from "../results.mjs";
import { lodisServe, redisServer } from "../servers.mjs";

/** Default tests of redis-benchmark, in its order: what pops comes after what pushes. */
const TESTS = [
  "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "zpopmin",
  "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset",
];
const PIPELINES = [1, 16, 100];
const CONNECTIONS = 50;
/** Random keys and members: `key:` and twelve digits. */
const KEYS = 100_000;
/** How long a sample is to take, in seconds, and commands of those from which the number is found. */
const SPAN = 0.5;
const FIRST = 5000;
const SHORT = 300;
/** What a run without random keys leaves behind. */
const LEFT = [
  ["GET", "key:__rand_int__"], ["GET", "counter:__rand_int__"], ["LRANGE", "mylist", "0", "-1"],
  ["SMEMBERS", "myset"], ["HGETALL", "myhash"], ["ZRANGE", "myzset", "0", "-1", "WITHSCORES"], ["DBSIZE"],
];

const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    rounds: { type: "string", default: "7" },
    match: { type: "string", default: "" },
  },
});
const run = promisify(execFile);

async function cli(server, words) {
  return (await run("redis-cli", ["-p", String(server.port), ...words])).stdout;
}

/** CPU time that a server has used so far, in nanoseconds: Linux counts in hundredths of a second. */
async function cpuTime({ pid }) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, in parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1e7;
}

/** Commands per second of a default test. */
async function sample(server, test, pipeline, count, random) {
  const args = ["-p", server.port, "-t", test, "-P", pipeline, "-c", CONNECTIONS, "-n", count, "--csv", ...random];
  const { stdout, stderr } = await run("redis-benchmark", args.map(String));
  if (stderr !== "") throw new Error(`${test}: ${stderr}`);
  // LRANGE comes after a row of the LPUSH that makes its list.
  const row = stdout.trim().split("\n").at(-1).split(",").map((cell) => cell.replaceAll('"', ""));
  if (!row[0].toLowerCase().startsWith(test)) throw new Error(`redis-benchmark says: ${stdout}`);
  return Number(row[1]);
}

async function check(servers) {
  for (const pipeline of PIPELINES) {
    const left = [];
    for (const server of servers) {
      await cli(server, ["FLUSHALL"]);
      for (const test of TESTS) await sample(server, test, pipeline, SHORT, []);
      const replies = [];
      for (const words of LEFT) replies.push(await cli(server, words));
      left.push(replies.join(""));
    }
    if (left[0] !== left[1]) throw new Error(`pipelines of ${pipeline} leave\n${left.join("\nand\n")}`);
  }
  console.log(`${TESTS.length} tests of redis-benchmark: both servers hold the same afterwards`);
}

async function measure([redis, lodis], pipeline, tests) {
  const random = ["-r", KEYS];
  const results = tests.map((test) => ({ test, pipeline, count: FIRST, redis: [], lodis: [], ratio: [], cpu: [0, 0] }));
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const server of [redis, lodis]) await cli(server, ["FLUSHALL"]);
    for (const result of results) {
      const { test, count } = result;
      const before = [await cpuTime(redis), await cpuTime(lodis)];
      const theirs = await sample(redis, test, pipeline, count, random);
      const ours = await sample(lodis, test, pipeline, count, random);
      const after = [await cpuTime(redis), await cpuTime(lodis)];
      if (round < 0) {
        result.count = Math.ceil((SPAN * (theirs + ours)) / 2 / pipeline) * pipeline;
        continue;
      }
      result.redis.push(theirs);
      result.lodis.push(ours);
      result.ratio.push(ours / theirs);
      result.cpu = result.cpu.map((spent, which) => spent + after[which] - before[which]);
    }
  }
  return results.map((result) => {
    const [theirs, ours, ratio] = [result.redis, result.lodis, result.ratio].map(summary);
    const [redisCpu, lodisCpu] = result.cpu.map((spent) => spent / result.count / Number(options.rounds));
    const name = `-P ${pipeline} ${result.test}`.padEnd(18);
    console.log(`${name} redis-server ${rate(theirs)}, lodis serve ${rate(ours)}, ratio ${ratio.median.toFixed(2)}`);
    const { test, count } = result;
    return { test, pipeline, count, redis: theirs, lodis: ours, ratio, redisCpu, lodisCpu };
  });
}

const rate = (one) => `${(one.median / 1000).toFixed(1)} ${spread(one)}`;

function markdown(results, about) {
  const lines = [
    "# lodis serve under redis-benchmark", "",
    `${about}. Thousands of commands per second: median of the rounds, and how far the middle half of them`,
    `spreads; the ratio is the median of the rounds' ratios. \`redis-benchmark -c ${CONNECTIONS} -r ${KEYS}\`, its default`,
    "tests, `lodis serve` and redis-server in turn. redis-benchmark takes a core of its own, and where it is the",
    "slower of the two its rate is what is measured; so there is also the CPU time of the server's process in",
    "nanoseconds per command, the system's and the LPUSHes before LRANGE included.",
  ];
  for (const pipeline of PIPELINES) {
    lines.push("", `## -P ${pipeline}`, "");
    lines.push("| | redis-server | lodis serve | lodis serve / redis-server | CPU of redis-server | CPU of lodis serve |");
    lines.push("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (const one of results.filter((result) => result.pipeline === pipeline)) {
      const ratio = `${one.ratio.median.toFixed(2)} ${spread(one.ratio)}`;
      const cpu = `${one.redisCpu.toFixed(0)} | ${one.lodisCpu.toFixed(0)}`;
      lines.push(`| ${one.test.toUpperCase()} | ${rate(one.redis)} | ${rate(one.lodis)} | ${ratio} | ${cpu} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

async function main(servers) {
  if (options.short) return check(servers);
  const tests = TESTS.filter((test) => test.includes(options.match));
  const results = [];
  for (const pipeline of PIPELINES) results.push(...(await measure(servers, pipeline, tests)));
  if (options.match !== "") return;
  const where = about(options.rounds);
  await keep("serve", { about: where, results }, markdown(results, where));
}

const redis = await redisServer();
if (redis === undefined) {
  console.error("redis-server is not installed: there is nothing to compare with");
  process.exitCode = 1;
} else {
  const lodis = await lodisServe();
  try {
    await main([redis, lodis]);
  } finally {
    for (const server of [redis, lodis]) server.close();
  }
}
