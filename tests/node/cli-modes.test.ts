// What `lodis cli` does beside running commands, beside what redis-cli does: --bigkeys, --stat, --latency, --rdb, -c, …
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, ours, run, theirs } from "./command-lines.js";
import { freePort, newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { cli, type Server, start } from "./serving.js";

let folder: string;
let real: RealRedis;
let server: Server;
let port: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-cli-"));
  // Every use of a key counts, and none is forgotten.
  const lfu = ["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0", "--lfu-decay-time", "0"];
  real = await startRealRedis(await newDirectory(), ...lfu, "--repl-diskless-sync-delay", "0");
  port = String(real.client.options.port);
  server = await start();
  const { client } = real;
  for (let index = 0; index < 300; index++) await client.set(`key:${index}`, "x".repeat((index * 7919) % 301));
  await client.set(Buffer.from([255, 34, 10]), "binary");
  await client.hset("hash", { f: "1", g: "2" });
  await client.rpush("list", ...Array.from({ length: 12 }, (_, index) => `element ${index}`));
  await client.zadd("scores", 1, "one", 2.5, "more");
  await client.sadd("set", "only");
  await client.xadd("stream", "*", "f", "1");
  for (const [index, times] of [3, 30, 12, 30].entries()) {
    for (let time = 0; time < times; time++) await client.get(`key:${index * 50}`);
  }
});
afterAll(async () => {
  await real.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("keys", () => {
  // Types are told in an order that redis-cli leaves to chance.
  const sorted = ({ stdout, ...rest }: Outcome) => {
    const [found, summary = ""] = stdout.split("\n-------- summary -------\n");
    return { ...rest, found, summary: summary.split("\n").sort() };
  };

  test.each([
    [["--bigkeys"]],
    [["--bigkeys", "--raw", "-3"]],
    [["--memkeys"]],
    [["--memkeys-samples", "2"]],
    [["--bigkeys", "--pattern", "*s*"]],
    [["--memkeys", "--quoted-pattern", '"\\xff*"']],
    [["--bigkeys", "--pattern", "none:*"]],
    [["-n", "5", "--bigkeys", "-i", "0.01"]],
  ])("%j: as redis-cli", (words) => {
    const outcome = ours(["-p", port, ...words]);
    expect(sorted(outcome)).toEqual(sorted(theirs(["-p", port, ...words])));
    expect(outcome.stdout).toMatch(/^\n# Scanning the entire keyspace to find biggest keys as well as\n[^]*\nSampled \d+ keys in the keyspace!\n/);
  });

  test("--hotkeys, of more keys than it tells", () => {
    const outcome = ours(["-p", port, "--hotkeys"]);
    expect(outcome).toEqual(theirs(["-p", port, "--hotkeys"]));
    expect(outcome.stdout).toMatch(/\nhot key found with counter: 3\d\tkeyname: "key:(5|15)0"\n/);
    expect(outcome.stdout.match(/\tkeyname: /g)).toHaveLength(16);
    const words = ["-p", port, "--hotkeys", "--pattern", "key:10*"];
    expect(ours(words)).toEqual(theirs(words));
  });

  test("a server that counts no uses, one without keys, and none at all", () => {
    const without = ["-p", String(server.port), "--hotkeys"];
    run("redis-cli", ["-p", String(server.port), "SET", "k", "v"]);
    expect(ours(without)).toEqual(theirs(without));
    expect(ours(without).stderr).toMatch(/^Error: ERR An LFU maxmemory policy is not selected/);
    expect(sorted(ours(["-p", String(server.port), "--bigkeys"]))).toEqual(sorted(theirs(["-p", String(server.port), "--bigkeys"])));
    for (const word of ["--bigkeys", "--memkeys", "--hotkeys", "--stat", "--latency", "--scan"]) {
      expect(ours(["-p", "1", word])).toMatchObject({ status: 1, stderr: "Could not connect to Redis at 127.0.0.1:1: Connection refused\n" });
    }
  });

  test("--scan with a quoted pattern", () => {
    const words = ["-p", port, "--scan", "--quoted-pattern", '"\\xff*"'];
    expect(ours(words)).toEqual(theirs(words));
    expect(ours(words).stdout).toBe('\u00ff"\n\n');
    expect(ours(["--quoted-pattern", '"open', "--scan"])).toEqual(theirs(["--quoted-pattern", '"open', "--scan"]));
  });
});

describe("watching", () => {
  /** What a command that does not end writes until `isEnough`, line by line. */
  async function watch(command: string, words: string[], isEnough: (text: string) => boolean, env: NodeJS.ProcessEnv = {}): Promise<string> {
    const child = spawn(command, words, { env: { ...process.env, ...env } });
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString()));
    const exited = once(child, "exit");
    await expect.poll(() => isEnough(text), { timeout: 15_000, interval: 20 }).toBe(true);
    child.kill("SIGINT");
    await exited;
    return text;
  }

  test("--stat: the columns of redis-cli", async () => {
    const words = ["-p", port, "--stat", "-i", "0.02"];
    // A heading, 20 lines, and another one.
    const isEnough = (text: string) => text.split("\n").length > 24;
    const shape = (text: string) => text.split("\n").slice(0, 23).map((line) => line.replaceAll(/\d+(\.\d+)?/g, (figure) => "9".repeat(figure.length)));
    const expected = await watch("stdbuf", ["-oL", "redis-cli", ...words], isEnough);
    const answered = await watch(process.execPath, [cli, "cli", ...words], isEnough);
    expect(shape(answered).map((line) => line.length)).toEqual(shape(expected).map((line) => line.length));
    expect(answered.split("\n").slice(0, 2)).toEqual(expected.split("\n").slice(0, 2));
    expect(answered.split("\n").slice(22, 24)).toEqual(expected.split("\n").slice(22, 24));
    expect(answered.split("\n")[2]).toMatch(/^306 {8}\d\.\d\dM {3} [23] {7}0 {7}\d+ \(\+0\) +\d+ +$/);
    expect(answered.split("\n")[3]).toMatch(/^306 .* \(\+1\) /);
  });

  test("--stat waits for a server that is away", async () => {
    const other = await start();
    const child = spawn(process.execPath, [cli, "cli", "-p", String(other.port), "--stat", "-i", "0.02"]);
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString()));
    const exited = once(child, "exit");
    await expect.poll(() => text).toContain("(+0)");
    await other.stop();
    await expect.poll(() => text, { timeout: 10_000 }).toContain("Reconnecting... 1\r");
    text = "";
    const again = await start("--port", String(other.port));
    await expect.poll(() => text, { timeout: 10_000 }).toMatch(/^0 {10}[^]*\n/m);
    child.kill();
    await exited;
    await again.stop();
  });

  test.each([["--raw", /^\d+ \d+ \d+\.\d\d \d+\n$/], ["--csv", /^\d+,\d+,\d+\.\d\d,\d+\n$/], ["--json", /^\{"min": \d+, "max": \d+, "avg": \d+\.\d\d, "count": \d+\}\n$/]])(
    "--latency %s: one line of a while",
    (mode, pattern) => {
      const words = ["-p", port, mode, "--latency", "-i", "0.1"];
      expect(theirs(words).stdout).toMatch(pattern);
      expect(ours(words)).toEqual({ status: 0, stdout: expect.stringMatching(pattern), stderr: "" });
    },
  );

  test("--latency and --latency-history at a terminal, and elsewhere", async () => {
    const patterns: [string[], RegExp][] = [
      [["--no-raw", "--latency", "-i", "0.05"], /^(\x1b\[0G\x1b\[2Kmin: \d+, max: \d+, avg: \d+\.\d\d \(\d+ samples\)){20,}/],
      [["--no-raw", "--latency-history", "-i", "0.05"], /^((\x1b\[0G\x1b\[2Kmin: \d+, max: \d+, avg: \d+\.\d\d \(\d+ samples\))+ -- 0\.\d\d seconds range\n){2}/],
      [["--raw", "--latency-history", "-i", "0.05"], /^((\d+ \d+ \d+\.\d\d \d+\n)+ -- 0\.\d\d seconds range\n){2}/],
    ];
    for (const [words, pattern] of patterns) {
      const isEnough = (text: string) => pattern.test(text);
      await watch("stdbuf", ["-o0", "redis-cli", "-p", port, ...words], isEnough);
      await watch(process.execPath, [cli, "cli", "-p", port, ...words], isEnough);
    }
  });
});

describe("--rdb", () => {
  const checked = (file: string): string => {
    const { status, stdout } = spawnSync("redis-check-rdb", [file], { encoding: "utf8" });
    expect([status, stdout]).toEqual([0, expect.stringContaining("RDB looks OK!")]);
    return /\[info\] (\d+) keys read/.exec(stdout)![1]!;
  };

  test.each(["no", "yes"])("of a server, with repl-diskless-sync %s", async (diskless) => {
    await real.client.config("SET", "repl-diskless-sync", diskless);
    const file = join(folder, `${diskless}.rdb`);
    const expected = theirs(["-p", port, "--rdb", file]);
    await rm(file);
    const length = /\d+ bytes/g;
    const answered = ours(["-p", port, "--rdb", file]);
    const hide = (outcome: Outcome) => ({ ...outcome, stderr: outcome.stderr.replaceAll(length, "bytes") });
    expect(hide(answered)).toEqual(hide(expected));
    expect(checked(file)).toBe("306");
    const out = ours(["-p", port, "--rdb", "-"]);
    expect([out.stdout.slice(0, 5), out.status]).toEqual(["REDIS", 0]);
    expect(out.stderr).toContain("to '-'\n");
    const nowhere = ["-p", port, "--rdb", join(folder, "none", "x.rdb")];
    expect(hide(ours(nowhere))).toEqual(hide(theirs(nowhere)));
  });

  test("--functions-rdb: functions without keys", async () => {
    await real.client.function("LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)");
    const file = join(folder, "functions.rdb");
    expect(ours(["-p", port, "--functions-rdb", file]).status).toBe(0);
    expect(checked(file)).toBe("0");
    expect(await readFile(file, "latin1")).toContain("register_function");
  });

  test("of data in this process", () => {
    const dir = join(folder, "kept");
    expect(ours(["--dir", dir], "SET a 1\nHSET h f v\nSELECT 3\nSET b 2 EX 1000\n").status).toBe(0);
    const file = join(folder, "kept.rdb");
    const outcome = ours(["--dir", dir, "--rdb", file]);
    expect(outcome).toEqual({ status: 0, stdout: "", stderr: expect.stringMatching(/^Transfer finished with success after \d+ bytes\n$/) });
    expect(checked(file)).toBe("3");
    expect(ours(["--dir", dir, "--rdb", "-"]).stdout.slice(0, 5)).toBe("REDIS");
    expect(ours(["--dir", dir, "--functions-rdb", file])).toEqual({ status: 1, stdout: "", stderr: "--functions-rdb needs a server\n" });
    expect(ours(["--memory", "--rdb", join(folder, "none", "x")]).stderr).toMatch(/^Error opening '.*': No such file or directory\n$/);
  });

  test("of what is no master, or goes away", async () => {
    const words = ["-p", String(server.port), "--rdb", join(folder, "refused.rdb")];
    const outcome = ours(words);
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("SYNC with master failed: -ERR unknown command");
    expect(outcome.stderr).toBe(theirs(words).stderr.replaceAll("\r", ""));
    for (const [header, mistake] of [
      ["$12\r\nREDIS0", "I/O Error reading RDB payload from socket"],
      ["$EOF:short\r\nREDIS0", "Error reading bulk length while SYNCing"],
      [`\n\n$EOF:${"m".repeat(40)}\r\nREDIS${"m".repeat(39)}`, "I/O Error reading RDB payload from socket"],
      ["", "Error reading bulk length while SYNCing"],
    ] as const) {
      const odd = createServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (bytes) => {
          if (bytes.toString().startsWith("SYNC")) socket.end(header, "latin1");
          else socket.write("+OK\r\n");
        });
      }).listen(0, "127.0.0.1");
      await once(odd, "listening");
      const child = spawn(process.execPath, [cli, "cli", "-p", String((odd.address() as AddressInfo).port), "--rdb", join(folder, "odd.rdb")]);
      let complaints = "";
      child.stderr.on("data", (bytes: Buffer) => (complaints += bytes.toString()));
      const [status] = (await once(child, "exit")) as [number];
      expect([status, complaints.split("\n").at(-2)]).toEqual([1, mistake]);
      odd.close();
    }
  });
});

test("--pipe-timeout: no reply in time", async () => {
  const mute = createServer((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const child = spawn(process.execPath, [cli, "cli", "-p", String((mute.address() as AddressInfo).port), "--pipe", "--pipe-timeout", "1"]);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (text += bytes.toString()));
  child.stdin.end("PING\r\n");
  const [status] = (await once(child, "exit")) as [number];
  expect([status, text]).toEqual([1, "All data transferred. Waiting for the last reply...\nNo replies for 1 seconds: exiting.\nerrors: 1, replies: 0\n"]);
  mute.close();
});

test("a line that takes long is told how long", () => {
  const lines = "DEBUG SLEEP 0.6\nPING\n";
  const hide = (outcome: Outcome) => ({ ...outcome, stdout: outcome.stdout.replace(/\(0\.[6-9]\ds\)/, "(time)") });
  for (const mode of ["--no-raw", "--raw"]) expect(hide(ours(["-p", port, mode], lines))).toEqual(hide(theirs(["-p", port, mode], lines)));
  expect(hide(ours(["-p", port, "--no-raw"], lines)).stdout).toBe("OK\n(time)\nPONG\n");
});

test("options that exclude each other", () => {
  for (const words of [["-c", "-s", "/tmp/x"], ["-2", "-3"], ["-x", "-X", "tag"], ["--rdb", "a", "--functions-rdb", "b"]]) {
    const outcome = ours([...words, "PING"]);
    expect(outcome).toMatchObject({ status: 1, stdout: "" });
    expect(outcome.stderr).toBe(theirs([...words, "PING"]).stderr);
  }
});

describe("-c", () => {
  let one: RealRedis;
  let other: RealRedis;
  let first: string;
  beforeAll(async () => {
    const bus = [await freePort(), await freePort()];
    const node = async (index: number) => startRealRedis(await newDirectory(), "--cluster-enabled", "yes", "--cluster-port", String(bus[index]));
    [one, other] = [await node(0), await node(1)];
    first = String(one.client.options.port);
    await one.client.cluster("ADDSLOTSRANGE", 0, 8191);
    await other.client.cluster("ADDSLOTSRANGE", 8192, 16383);
    await one.client.call("CLUSTER", "MEET", "127.0.0.1", String(other.client.options.port), String(bus[1]));
    for (const { client } of [one, other]) {
      while (!(await client.cluster("INFO")).includes("cluster_state:ok")) await setTimeout(50);
    }
  }, 30_000);
  afterAll(() => Promise.all([one?.stop(), other?.stop()]));

  test("goes to the server that has the key, and stays there", async () => {
    for (const words of [["-c", "SET", "foo", "1"], ["SET", "foo", "1"], ["-c", "GET", "foo"], ["-c", "--no-raw", "GET", "bar"], ["-c", "-3", "--json", "GET", "foo"]]) {
      expect(ours(["-p", first, ...words])).toEqual(theirs(["-p", first, ...words]));
    }
    const lines = "SET foo 1\nSET bar 2\nGET foo\nMULTI\nINCR foo\nEXEC\nMULTI\nGET bar\nEXEC\nGET bar\nMGET foo bar\n";
    for (const words of [["-c"], ["-c", "--no-raw"], []]) {
      const outcome = ours(["-p", first, ...words], lines);
      await one.client.flushall();
      await other.client.flushall();
      expect(outcome).toEqual(theirs(["-p", first, ...words], lines));
    }
  });

  test("asks where a key may be while its slot moves", async () => {
    const slot = await one.client.cluster("KEYSLOT", "bar");
    const [from, to] = [await one.client.cluster("MYID"), await other.client.cluster("MYID")];
    await one.client.del("bar");
    await other.client.cluster("SETSLOT", slot, "IMPORTING", from);
    await one.client.cluster("SETSLOT", slot, "MIGRATING", to);
    expect(ours(["-p", first, "GET", "bar"]).stdout).toMatch(/^ASK 5061 /);
    expect(ours(["-p", first, "-c", "SET", "bar", "there"])).toEqual({ status: 0, stdout: "OK\n", stderr: "" });
    expect(ours(["-p", first, "-c", "GET", "bar"])).toEqual(theirs(["-p", first, "-c", "GET", "bar"]));
    expect(await other.client.cluster("COUNTKEYSINSLOT", slot)).toBe(1);
  });

  test("a subscription, at a terminal told of where it is", async () => {
    const child = spawn("script", ["-qfec", `'${process.execPath}' '${cli}' cli -c -p ${first}`, "/dev/null"], {
      env: { ...process.env, LODISCLI_HISTFILE: "/dev/null", TERM: "xterm" },
    });
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString()));
    const exited = once(child, "exit");
    const there = `127.0.0.1:${other.client.options.port}`;
    await expect.poll(() => text, { timeout: 10_000 }).toContain(`127.0.0.1:${first}> `);
    child.stdin.write("SSUBSCRIBE foo\r");
    await expect.poll(() => text, { timeout: 10_000 }).toContain(`-> Redirected to slot [12182] located at ${there}\r\n`);
    await expect.poll(() => other.client.call("PUBSUB", "SHARDNUMSUB", "foo")).toEqual(["foo", 1]);
    await other.client.spublish("foo", "hello");
    await expect.poll(() => text, { timeout: 10_000 }).toContain('3) "hello"');
    child.stdin.write("\x03");
    await expect.poll(() => text, { timeout: 10_000 }).toContain(`${there}> `);
    child.stdin.write("quit\r");
    await exited;
  });
});
