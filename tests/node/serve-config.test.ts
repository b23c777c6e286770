// Configuration files and flags of `lodis serve`; a real redis-server says what is wrong with bad ones.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newDirectory, startRealRedis } from "./real-redis.js";
import { cli, type Server, start } from "./serving.js";

let folder: string;
beforeAll(async () => {
  folder = await newDirectory();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lodis = (words: readonly string[], input = "") =>
  spawnSync(process.execPath, [cli, "serve", ...words], { timeout: 10_000, input, encoding: "utf8", cwd: folder });
const real = (words: readonly string[], input = "") =>
  spawnSync("redis-server", words, { timeout: 10_000, input, encoding: "utf8", cwd: folder });

async function fileOf(...lines: string[]): Promise<string> {
  const path = join(folder, `redis-${Math.random().toString(36).slice(2)}.conf`);
  await writeFile(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

/** What a server answers to commands, one line each. */
async function answers(server: Server, ...commands: string[]): Promise<unknown[]> {
  const client = new IoRedis({ port: server.port, password: "pass word" });
  try {
    const replies: unknown[] = [];
    for (const command of commands) {
      const [name = "", ...words] = command.split(" ");
      replies.push(await client.call(name, ...words).catch((error: Error) => error.message));
    }
    return replies;
  } finally {
    client.disconnect();
  }
}

const WITHOUT_NAME = /\((Redis|Lodis) [\d.]+\)/;

describe("a configuration that is wrong is refused in redis-server's words", () => {
  test.each([
    ["foo bar"],
    ["port abc"],
    ["port 65536"],
    ["port"],
    ["port 1 2"],
    ['bind "127.0.0.1'],
    ["# fine", "", "  maxmemory   100xb"],
    ["MAXMEMORY-Policy foo"],
    ["appendonly maybe"],
    ["appendfsync soon"],
    ["save 60"],
    ["save 60 1 2"],
    ["save 0 1"],
    ["save 60 1", "save x y"],
    ["user alice on bogus"],
    ["user bob on", "user bob off"],
    ["user"],
    ["rename-command FOO BAR"],
    ["rename-command GET SET"],
    ["rename-command GET"],
    ["client-output-buffer-limit foo 0 0 0"],
    ["client-output-buffer-limit normal 0 0"],
    ["notify-keyspace-events Q"],
    ["unixsocketperm 999"],
    ["protected-mode perhaps"],
    ["tls-auth-clients maybe"],
    ["dbfilename a/b"],
    ["databases x"],
    ["maxclients 0"],
    ["hash-max-listpack-entries -1"],
    ["include"],
    ["include nothing-*.conf", "foo"],
    ["lua-time-limit x"],
  ])("%j %j %j", async (...lines: string[]) => {
    const path = await fileOf(...lines);
    const [ours, theirs] = [lodis([path]), real([path])];
    expect([ours.status, ours.stdout]).toEqual([1, ""]);
    expect(theirs.status).toBe(1);
    expect(ours.stderr.replace(WITHOUT_NAME, "")).toBe(theirs.stderr.replace(WITHOUT_NAME, ""));
    // Flags are lines as well, after those of the file, if they are no other ones on the way.
    if (lines.length > 1 || /^(bind|include)/.test(lines[0]!)) return;
    const words = lines[0]!.split(/ +/);
    const flags = [`--${words[0]}`, ...words.slice(1)];
    expect(lodis(flags).stderr.replace(WITHOUT_NAME, "")).toBe(real(flags).stderr.replace(WITHOUT_NAME, ""));
  });

  test("lines are counted as there", async () => {
    const path = await fileOf("port 0", "# a comment");
    for (const words of [[path, "--timeout", "x"], ["--port", "0", "--timeout", "x"], ["--port 0", "--save", "--foo", "1"]]) {
      expect(lodis(words).stderr.replace(WITHOUT_NAME, "")).toBe(real(words).stderr.replace(WITHOUT_NAME, ""));
    }
    const ofInput = (run: typeof real) => run(["-"], "timeout 1\nport 0 1\n").stderr.replace(WITHOUT_NAME, "");
    expect(ofInput(lodis)).toContain(">>> 'port 0 1'\nwrong number of arguments\n");
    expect(ofInput(real)).toContain(">>> 'port 0 1'\nwrong number of arguments\n");
  });

  test("a file that is not there, or includes itself", async () => {
    const missing = lodis(["missing.conf"]);
    expect(missing.stderr).toBe(`lodis: Fatal error, can't open config file '${join(folder, "missing.conf")}': No such file or directory\n`);
    expect(real(["missing.conf"]).stdout).toContain(missing.stderr.slice("lodis: ".length).trim());
    const circular = await fileOf("port 0");
    await writeFile(circular, `include ${circular}\n`);
    expect(lodis([circular])).toMatchObject({ status: 1, stderr: expect.stringContaining("files that include each other") });
  });

  test.each([
    ["replicaof 127.0.0.1 6379", "Lodis is no replica of another server"],
    ["cluster-enabled yes", "Lodis is no node of a cluster"],
    ["loadmodule /x.so", "Lodis loads no modules"],
  ])("what Lodis cannot be is refused: %s", async (line, reason) => {
    const { status, stderr } = lodis([await fileOf(line)]);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`>>> '${line}'\n${reason}\n`)]);
  });
});

test("a file with everything in it: quotes, includes, repeated directives; flags and the input come after", async () => {
  const dir = join(folder, "everything");
  await mkdir(dir);
  await writeFile(join(folder, "included-1.conf"), "maxmemory 100mb\nuser alice on >secret ~app:* +@read\n");
  await writeFile(join(folder, "included-2.conf"), "maxmemory-policy allkeys-lru\n");
  const path = await fileOf(
    "# comment",
    `include ${join(folder, "included-?.conf")}`,
    "  PORT 0\t",
    'requirepass "pass\\x20word"',
    `dir '${dir}'`,
    "save 900 1",
    "save 300 10 60 10000",
    'rename-command FLUSHALL ""',
    "rename-command DEBUG 'other'",
    "client-output-buffer-limit normal 1mb 2mb 3",
    "client-output-buffer-limit pubsub 4mb 5mb 6",
    "notify-keyspace-events KEA",
    "timeout 7",
    "databases 3",
    "cluster-enabled no",
    "io-threads 4",
    "daemonize no",
  );
  const server = await start(path, "--timeout", "9", "--port", "0", "--slowlog-max-len", "5");
  let notices = "";
  server.child!.stderr!.on("data", (text: Buffer) => (notices += text.toString()));
  expect(
    await answers(
      server,
      ...["maxmemory", "maxmemory-policy", "requirepass", "dir", "save", "client-output-buffer-limit", "timeout"].map(
        (name) => `CONFIG GET ${name}`,
      ),
      "CONFIG GET notify-keyspace-events",
      "CONFIG GET databases",
      "CONFIG GET port",
      "CONFIG GET dbfilename",
      "CONFIG GET slowlog-max-len",
      "FLUSHALL",
      "ACL LIST",
      "SELECT 3",
    ),
  ).toEqual([
    ["maxmemory", "104857600"],
    ["maxmemory-policy", "allkeys-lru"],
    ["requirepass", "pass word"],
    ["dir", dir],
    ["save", "900 1 300 10 60 10000"],
    ["client-output-buffer-limit", "normal 1048576 2097152 3 slave 268435456 67108864 60 pubsub 4194304 5242880 6"],
    ["timeout", "9"],
    ["notify-keyspace-events", "AKE"],
    ["databases", "3"],
    ["port", String(server.port)],
    ["dbfilename", "dump.rdb"],
    ["slowlog-max-len", "5"],
    "ERR unknown command 'FLUSHALL', with args beginning with: ",
    expect.arrayContaining([expect.stringMatching(/^user alice on .*~app:\* .*\+@read/)]),
    "ERR DB index is out of range",
  ]);
  await server.stop();
  expect(existsSync(join(dir, "dump.rdb"))).toBe(true);
});

test("what there is no use for is accepted, and named once", async () => {
  const { status, stderr } = lodis([await fileOf("io-threads 4", "io-threads 2", "port 0", "hz 10"), "--bind", "192.0.2.1", "--requirepass", "x"]);
  expect(status).toBe(1);
  expect(stderr.split("\n")[0]).toBe("lodis: these settings change nothing here: io-threads hz");
});

test("every parameter of a real server is known here", async () => {
  const theirs = await startRealRedis(await newDirectory());
  const names = ((await theirs.client.call("CONFIG", "GET", "*")) as string[]).filter((_, index) => index % 2 === 0);
  await theirs.stop();
  const path = await fileOf(...names.map((name) => `${name} 1 2 3 4 5`));
  let text = await readFile(path, "utf8");
  // Each line is refused at most for its value: what is refused as unknown would end here.
  for (let index = 0; index < names.length; index++) {
    const { stderr } = lodis([path]);
    const refused = />>> '(\S+) 1 2 3 4 5'\n(.*)\n/.exec(stderr);
    if (!refused) break;
    expect(refused[2], refused[1]).not.toContain("Bad directive");
    text = text.split("\n").filter((line) => !line.startsWith(`${refused[1]} `)).join("\n");
    await writeFile(path, text);
  }
}, 120_000);

test.skipIf(!existsSync("/etc/redis/redis.conf"))("Debian's redis.conf is taken as it is", async () => {
  const path = join(folder, "debian.conf");
  await copyFile("/etc/redis/redis.conf", path);
  const dir = join(folder, "debian");
  await mkdir(dir);
  const options = ["--dir", dir, "--port", "0", "--bind", "127.0.0.1", "--pidfile", join(dir, "pid")];
  const server = await start(path, ...options);
  expect(await readFile(join(dir, "pid"), "utf8")).toBe(`${server.child!.pid}\n`);
  const replies = await answers(server, "CONFIG GET save", "CONFIG GET lazyfree-lazy-expire", "CONFIG GET appendonly", "SET k v");
  expect(replies).toEqual([["save", "3600 1 300 100 60 10000"], ["lazyfree-lazy-expire", "no"], ["appendonly", "no"], "OK"]);
  await server.stop();
  expect(existsSync(join(dir, "pid"))).toBe(false);
  const again = await start(path, ...options);
  expect(await answers(again, "GET k")).toEqual(["v"]);
  await again.stop();
});

describe("CONFIG REWRITE", () => {
  const set = ["CONFIG SET maxmemory 104857600", "CONFIG SET save ", "ACL SETUSER bob on >pw ~* +@all", "CONFIG SET timeout 5"];

  test("keeps the file but for what has changed; both servers understand it", async () => {
    const dir = join(folder, "rewritten");
    await mkdir(dir);
    const path = await fileOf();
    await writeFile(
      path,
      `# my file\nport 0\ndir ${dir}\nsave 900 1\nsave 300 10\n\n# memory\nmaxmemory 1gb\nrename-command MONITOR ""\nio-threads 1\n`,
    );
    const server = await start(path, "--appendfsync", "always");
    expect(await answers(server, "CONFIG REWRITE")).toEqual(["OK"]);
    const untouched = await readFile(path, "utf8");
    expect(untouched).toMatch(/^# my file\nport \d+\ndir .*\nsave 900 1\nsave 300 10\n\n# memory\nmaxmemory 1gb\nrename-command MONITOR ""\nio-threads 1\n# Generated by CONFIG REWRITE\nappendfsync always\n$/);
    expect(await answers(server, ...set, "CONFIG REWRITE")).toEqual(["OK", "OK", "OK", "OK", "OK"]);
    const text = await readFile(path, "utf8");
    expect(text).toMatch(/\nsave ""\n\n# memory\nmaxmemory 104857600\nrename-command MONITOR ""\nio-threads 1\n# Generated by CONFIG REWRITE\n/);
    expect(text).toMatch(/\ntimeout 5\n/);
    expect(text).toMatch(/\nuser bob on /);
    await server.stop();
    const again = await start(path, "--port", "0");
    const expected = [["maxmemory", "104857600"], ["save", ""], ["timeout", "5"]];
    const asked = ["CONFIG GET maxmemory", "CONFIG GET save", "CONFIG GET timeout"];
    expect(await answers(again, ...asked)).toEqual(expected);
    await again.stop();
    await writeFile(path, text.replace(/\nport .*/, ""));
    const theirs = await startRealRedis(await newDirectory(), "--include", path);
    for (const [index, command] of asked.entries()) {
      expect(await theirs.client.call("CONFIG", ...command.split(" ").slice(1))).toEqual(expected[index]);
    }
    expect(await theirs.client.call("ACL", "USERS")).toEqual(["bob", "default"]);
    await theirs.stop();
  });

  test("without a file there is nothing to write, and a directory that is gone is an error", async () => {
    const server = await start();
    expect(await answers(server, "CONFIG REWRITE")).toEqual(["ERR The server is running without a config file"]);
    await server.stop();
    const dir = join(folder, "gone");
    await mkdir(dir);
    const path = join(dir, "redis.conf");
    await writeFile(path, `port 0\ndir ${folder}\n`);
    const lost = await start(path);
    await rm(dir, { recursive: true });
    expect(await answers(lost, "CONFIG REWRITE")).toEqual(["ERR Rewriting config file: No such file or directory"]);
    await lost.stop();
  });
});

test("an ACL file, or none that is", async () => {
  const acl = join(folder, "users.acl");
  await writeFile(acl, "user default on >secret ~* &* +@all\nuser bob on >pw ~b:* +get\n\n");
  const server = await start("--aclfile", acl);
  const bob = new IoRedis({ port: server.port, username: "bob", password: "pw" });
  expect(await bob.get("b:1")).toBeNull();
  await expect(bob.get("c")).rejects.toThrow("NOPERM");
  bob.disconnect();
  await server.stop();
  await writeFile(acl, "bob on\n");
  expect(lodis(["--port", "0", "--aclfile", acl]).stderr).toBe(`lodis: ${acl}:1: should start with user keyword\n`);
  expect(lodis(["--port", "0", "--aclfile", join(folder, "none")]).stderr).toContain("No such file or directory");
});
