// `lodis cli` beside redis-cli: what both write of the same replies of the same server, byte for byte.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, ours, run, theirs } from "./command-lines.js";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { cli, Raw, type Server, start } from "./serving.js";

let folder: string;
let real: RealRedis;
let server: Server;
let port: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-cli-"));
  real = await startRealRedis(await newDirectory());
  port = String(real.client.options.port);
  server = await start();
  await real.client.mset("k", "v", "n", "7", "text", 'a "quoted"\tword\n\u00e9\u0000\u001f/');
  await real.client.set(Buffer.from([0, 255, 128, 10]), Buffer.from([255, 0, 10, 92]));
  await real.client.hset("hash", { f: "1", "g h": '"' });
  await real.client.rpush("list", ...Array.from({ length: 12 }, (_, index) => `element ${index}`));
  await real.client.zadd("scores", 1, "one", 2.5, "more");
  await real.client.sadd("set", "only");
});
afterAll(async () => {
  await real.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Every kind of reply, of a server that has every kind. */
const LINES = [
  "PING",
  "GET k",
  "GET none",
  "GET text",
  "GET \"\\x00\\xff\\x80\\n\"",
  "SET",
  "NOSUCH command",
  "INCR n",
  "LRANGE list 0 -1",
  "LRANGE none 0 -1",
  "HGETALL hash",
  "HGETALL none",
  "SMEMBERS set",
  "ZRANGE scores 0 -1 WITHSCORES",
  "ZSCORE scores more",
  "COMMAND DOCS get",
  "COMMAND INFO get set",
  "CONFIG GET maxmemory*",
  "INFO keyspace",
  "CLIENT LIST ID 123456789",
  "MEMORY DOCTOR",
  "LOLWUT VERSION 5 1 1 1",
  "XRANGE none - +",
  "OBJECT HELP",
  "EVAL \"return {1, 'two', {3, {err = 'ERR four'}}, {}}\" 0",
  "EVAL \"redis.setresp(3) return {double = 1.25}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = {1, 2}}}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = {1}}}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = {}}}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = {map = {b = {1, {2, 3}}}}}}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = {{2, 3}}}}\" 0",
  "EVAL \"redis.setresp(3) return {map = {a = 'x\\ny'}}\" 0",
  "EVAL \"redis.setresp(3) return {set = {x = true}}\" 0",
  "EVAL \"redis.setresp(3) return true\" 0",
  ...["string", "integer", "double", "null", "array", "set", "map", "verbatim", "true", "false"].map(
    (kind) => `DEBUG PROTOCOL ${kind}`,
  ),
  "MULTI",
  "INCR n",
  "GET k",
  "NOSUCH",
  "EXEC",
  "MULTI",
  "SELECT 3",
  "HGETALL hash",
  "EXEC",
  "GET k",
  "SELECT 0",
  "2 ECHO twice",
  "ECHO 'a b' \"c",
  "   ",
  "exit",
  "ECHO never",
];

const MODES = [[], ["--raw"], ["--no-raw"], ["--csv"], ["--json"], ["--quoted-json"], ["--raw", "-d", "|", "-D", "\r\n"]];

describe.each([["-2"], ["-3"], []])("with %s", (...protocol) => {
  test.each(MODES)("%s %s: lines from the standard input", (...mode) => {
    const words = ["-p", port, ...protocol.filter((word) => word !== undefined), ...mode.filter((word) => word !== undefined)];
    const input = `${LINES.join("\n")}\n`;
    // Two runs of the same lines count on from each other.
    const reset = () => run("redis-cli", ["-p", port, "SET", "n", "7"]);
    reset();
    const expected = theirs(words, input);
    reset();
    const answered = ours(words, input);
    // With a quote in it, what redis-cli calls quoted JSON is none.
    const shown = ({ stdout }: Outcome) => stdout.replaceAll(mode.includes("--quoted-json") ? /\\+"/g : /$^/g, "'").split("\n");
    expect(shown(answered)).toEqual(shown(expected));
    expect(answered.status).toBe(expected.status);
  });
});

describe("one command", () => {
  test.each<[string[], string?]>([
    [["PING"]],
    [["GET", "text"]],
    [["--no-raw", "HGETALL", "hash"]],
    [["-3", "--no-raw", "HGETALL", "hash"]],
    [["NOSUCH"]],
    [["-e", "NOSUCH"]],
    [["-e", "PING"]],
    [["-n", "3", "DBSIZE"]],
    [["-n", "99", "PING"]],
    [["-r", "3", "ECHO", "x"]],
    [["-r", "2", "-i", "0.01", "ECHO", "x"]],
    [["-x", "ECHO"], "from the input\n"],
    [["-X", "tag", "ECHO", "tag"], "from the input\n"],
    [["-X", "tag", "ECHO", "other"], "from the input\n"],
    [["--quoted-input", "ECHO", '"\\x41\\n"']],
    [["-a", "wrong", "PING"]],
    [["-a", "wrong", "--no-auth-warning", "PING"]],
    [["--user", "nobody", "--pass", "wrong", "PING"]],
    [["INFO", "keyspace"]],
    [["-u", "redis://127.0.0.1:PORT/3", "CLIENT", "INFO"]],
    [["--bogus"]],
    [["--scan", "--pattern", "h*"]],
    [["--no-raw", "--scan", "--pattern", "n*"]],
  ])("%j: as redis-cli", (words, input) => {
    const all = ["-p", port, ...words.map((word) => word.replace("PORT", port))];
    const hide = (outcome: Outcome): Outcome => ({
      ...outcome,
      // Every client has a number, and a port, of its own.
      stdout: outcome.stdout.replace(/\b(id|addr|laddr|fd|age|tot-mem|qbuf-free|rbs|rbp|argv-mem|qbuf|multi-mem|lib-\w+)=\S*/g, "$1"),
    });
    expect(hide(ours(all, input))).toEqual(hide(theirs(all, input)));
  });

  test("without a server", () => {
    for (const words of [["-p", "1", "PING"], ["-s", join(folder, "none.sock"), "PING"]]) {
      expect(ours(words)).toEqual(theirs(words));
    }
  });

  test("a script with keys and arguments", async () => {
    const script = join(folder, "script.lua");
    await writeFile(script, "return {KEYS[1], ARGV[1], #KEYS, #ARGV}");
    const words = ["-p", port, "--eval", script, "k1", "k2", ",", "a1"];
    const outcome = ours(words);
    expect(outcome.stdout).toBe("k1\na1\n2\n1\n");
    expect(outcome).toEqual(theirs(words));
    expect(ours(["--eval", join(folder, "none.lua")])).toMatchObject({ status: 1, stderr: expect.stringContaining("Can't open file") });
  });

  test("--scan with a type, and JSON that is JSON", () => {
    expect(ours(["-p", port, "--scan", "--pattern", "s*", "--type", "zset"]).stdout).toBe("scores\n");
    expect(ours(["-p", port, "--scan", "--type", "nothing"]).status).toBe(0);
    const text = 'a "quoted"\tword\n\u00e9\u0000\u001f/';
    expect(JSON.parse(ours(["-p", port, "--quoted-json", "GET", "text"]).stdout)).toBe('a \\"quoted\\"\\tword\\n\\xc3\\xa9\\x00\\x1f/');
    expect(JSON.parse(Buffer.from(ours(["-p", port, "--json", "GET", "text"]).stdout, "latin1").toString())).toBe(text);
  });

  test("--pipe sends what it reads, and counts", () => {
    const input = Buffer.concat([Buffer.from("SET piped 1\r\nNOSUCH\r\n"), Buffer.from("*2\r\n$4\r\nINCR\r\n$5\r\npiped\r\n")]);
    const outcome = ours(["-p", String(server.port), "--pipe"], input);
    expect(outcome.status).toBe(1);
    expect(outcome.stdout).toBe("All data transferred. Waiting for the last reply...\nLast reply received from server.\nerrors: 1, replies: 3\n");
    expect(outcome.stderr).toMatch(/^ERR unknown command 'NOSUCH'/);
    expect(ours(["-p", String(server.port), "GET", "piped"]).stdout).toBe("2\n");
  });

  test("REDISCLI_AUTH, and a user of the server's", async () => {
    const secured = await start("--requirepass", "sesame", "--user", "alice", "on", ">pw", "~*", "+@all");
    const words = ["-p", String(secured.port), "ACL", "WHOAMI"];
    const env = { ...process.env, REDISCLI_AUTH: "sesame" };
    expect(spawnSync(process.execPath, [cli, "cli", ...words], { env, encoding: "utf8" }).stdout).toBe("default\n");
    expect(ours(["--user", "alice", "-a", "pw", "--no-auth-warning", ...words])).toEqual({ status: 0, stdout: "alice\n", stderr: "" });
    expect(ours(["-u", `redis://alice:pw@127.0.0.1:${secured.port}`, "ACL", "WHOAMI"]).stdout).toBe("alice\n");
    await secured.stop();
  });

  test("--help, and mistakes", () => {
    const help = ours(["--help"]);
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toMatch(/^usage: lodis cli /);
    for (const [words, mistake] of [
      [["-p", "x"], '-p is a number from 0 to 65535, not "x"'],
      [["-u", "http://x"], "Invalid URI scheme"],
      [["--user", "x"], "--user needs a password: -a, or REDISCLI_AUTH"],
      [["--dir", "x", "--memory"], "--dir and --memory exclude each other"],
      [["-x"], "-x and -X need a command"],
    ] as const) {
      expect(ours(words)).toEqual({ status: 1, stdout: "", stderr: `${mistake}\n` });
    }
  });
});

describe("what goes on until it is ended", () => {
  async function until(words: string[], test: (text: string) => boolean, meanwhile: () => Promise<void>): Promise<string> {
    const child = spawn(process.execPath, [cli, "cli", "-p", String(server.port), ...words]);
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString()));
    const exited = once(child, "exit");
    await meanwhile();
    await expect.poll(() => test(text), { timeout: 10_000 }).toBe(true);
    child.kill("SIGINT");
    await exited;
    return text;
  }
  const waitFor = (line: string, expected: string) => async (): Promise<Raw> => {
    const raw = await Raw.open(server.port);
    await expect.poll(async () => {
      raw.write(line);
      return raw.until((text) => text.endsWith("\r\n"));
    }, { timeout: 10_000 }).toBe(expected);
    return raw;
  };

  test("SUBSCRIBE", async () => {
    const text = await until(["--no-raw", "SUBSCRIBE", "news"], (text) => text.includes("hello"), async () => {
      const raw = await waitFor("PUBLISH news hello\r\n", ":1\r\n")();
      raw.end();
    });
    expect(text).toMatch(/^Reading messages\.\.\. \(press Ctrl-C to quit\)\n1\) "subscribe"\n2\) "news"\n3\) \(integer\) 1\n1\) "message"\n2\) "news"\n3\) "hello"\n/);
  });

  test("MONITOR", async () => {
    const text = await until(["MONITOR"], (text) => text.includes('"set" "watched"'), async () => {
      const raw = await Raw.open(server.port);
      await expect.poll(async () => {
        raw.write("INFO clients\r\nCLIENT LIST\r\n");
        return raw.until((text) => text.includes("id="));
      }, { timeout: 10_000 }).toContain("cmd=monitor");
      raw.write("set watched 1\r\n");
      await raw.until((text) => text === "+OK\r\n");
      raw.end();
    });
    expect(text).toMatch(/^OK\n[^]*\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "watched" "1"\n/);
  });
});

describe("data in this process", () => {
  test("in a directory, where lodis serve finds it", async () => {
    const dir = join(folder, "data");
    expect(ours(["--dir", dir, "SET", "k", "kept"])).toEqual({ status: 0, stdout: "OK\n", stderr: "" });
    expect(ours(["--dir", dir, "--no-raw"], "GET k\nEVAL 'return redis.call(\"INCR\", KEYS[1])' 1 n\n").stdout).toBe('"kept"\n(integer) 1\n');
    const served = await start("--dir", dir);
    expect(ours(["-p", String(served.port), "MGET", "k", "n"]).stdout).toBe("kept\n1\n");
    expect(ours(["--dir", dir, "GET", "k"])).toMatchObject({ status: 1, stderr: expect.stringContaining("STORE_LOCKED") });
    await served.stop();
  });

  test("in memory", () => {
    expect(ours(["--memory", "-n", "2", "--csv"], "SET k v\nGET k\nDBSIZE\n").stdout).toBe('"OK"\n"v"\n1\n');
  });
});

// A pseudo terminal, by `script` of util-linux.
describe("at a terminal", () => {
  class Terminal {
    text = "";
    readonly exited: Promise<unknown>;
    private readonly child;

    constructor(words: readonly string[], history: string) {
      const env = { ...process.env, LODISCLI_HISTFILE: history, TERM: "xterm", COLUMNS: "100" };
      const line = [process.execPath, cli, "cli", ...words].map((word) => `'${word}'`).join(" ");
      this.child = spawn("script", ["-qfec", `stty cols 100; ${line}`, "/dev/null"], { env });
      this.child.stdout.on("data", (bytes: Buffer) => (this.text += bytes.toString()));
      this.exited = once(this.child, "exit");
    }

    type(text: string): void {
      this.child.stdin.write(text);
    }

    /** Waits until it shows something, and forgets what came before. */
    async shows(wanted: string | RegExp): Promise<void> {
      const found = () => (typeof wanted === "string" ? this.text.includes(wanted) : wanted.test(this.text));
      await expect.poll(found, { timeout: 15_000, message: `${wanted} in ${JSON.stringify(this.text)}` }).toBe(true);
      this.text = "";
    }
  }

  test("prompt, transactions, databases, hints, completion, history, help", async () => {
    const history = join(folder, "history");
    const first = new Terminal(["-p", String(server.port)], history);
    const prompt = `127.0.0.1:${server.port}`;
    await first.shows(`${prompt}> `);
    first.type("SET typed ");
    // What may follow stands there in grey.
    await first.shows(/\x1b\[90mvalue .*\x1b\[0m/);
    first.type("1\r");
    await first.shows(/OK\r?\n[^]*> /);
    first.type("HGETAL\t");
    await first.shows("HGETALL");
    first.type(" typed\r");
    await first.shows("(error) WRONGTYPE");
    first.type("SELECT 2\r");
    await first.shows(`${prompt}[2]> `);
    first.type("MULTI\r");
    await first.shows(`${prompt}[2](TX)> `);
    first.type("INCR n\r");
    await first.shows("QUEUED");
    first.type("EXEC\r");
    await first.shows(/1\) \(integer\) 1[^]*\[2\]> /);
    first.type("AUTH secret\r");
    await first.shows("(error)");
    first.type("help getrange\r");
    await first.shows(/GETRANGE[^]*summary: [^]*group: string/);
    first.type("help @transactions\r");
    await first.shows(/DISCARD[^]*WATCH/);
    first.type("quit\r");
    await first.exited;
    const kept = (await readFile(history, "utf8")).split("\n");
    expect(kept).toContain("SET typed 1");
    expect(kept.join()).not.toContain("secret");
    const second = new Terminal(["-p", String(server.port)], history);
    await second.shows(`${prompt}> `);
    // Up, up, up, up: what was typed the other day.
    second.type("\x1b[A\x1b[A\x1b[A\x1b[A");
    await second.shows("EXEC");
    second.type("\x03");
    await second.exited;
  });

  test("Ctrl-C ends what waits, and then the session; a server that was away is found again", async () => {
    const other = await start();
    const terminal = new Terminal(["-p", String(other.port)], "/dev/null");
    await terminal.shows("> ");
    terminal.type("BLPOP nothing 0\r");
    const raw = await Raw.open(other.port);
    await expect.poll(async () => {
      raw.write("CLIENT LIST\r\n");
      return raw.until((text) => text.includes("id="));
    }, { timeout: 10_000 }).toContain("cmd=blpop");
    raw.end();
    terminal.type("\x03");
    await terminal.shows(`127.0.0.1:${other.port}> `);
    terminal.type("SUBSCRIBE news\r");
    await terminal.shows("Reading messages... (press Ctrl-C to quit)");
    terminal.type("\x03");
    await terminal.shows(`127.0.0.1:${other.port}> `);
    terminal.type("PING\r");
    await terminal.shows("PONG");
    await other.stop();
    terminal.type("PING\r");
    await terminal.shows(/Could not connect to Redis[^]*not connected> /);
    terminal.type("\x03");
    await terminal.exited;
  });
});
