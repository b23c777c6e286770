// Passwords, users and renamed commands of `lodis serve`, with the clients that people use.
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, Raw, type Server, start } from "./serving.js";

const run = promisify(execFile);

describe("with a password and users", () => {
  let server: Server;
  beforeAll(async () => {
    server = await start(
      ...["--requirepass", "sesame", "--user", "alice on >pw ~app:* +@all -@dangerous", "--user", "bob off >pw +@all"],
      ...["--rename-command", "FLUSHALL", "", "--rename-command", "CONFIG", "secret"],
    );
  });
  afterAll(() => server.stop());

  test("redis-cli authenticates", async () => {
    const redisCli = async (...words: string[]) =>
      (await run("redis-cli", ["-p", String(server.port), "--no-auth-warning", ...words])).stdout.trim();
    expect(await redisCli("PING")).toBe("NOAUTH Authentication required.");
    expect(await redisCli("-a", "sesame", "PING")).toBe("PONG");
    expect(await redisCli("-a", "sesame", "-3", "ACL", "WHOAMI")).toBe("default");
    expect(await redisCli("--user", "alice", "--pass", "pw", "ACL", "WHOAMI")).toBe("alice");
    expect(await redisCli("--user", "alice", "--pass", "pw", "GET", "k")).toBe("NOPERM No permissions to access a key");
    expect(await redisCli("--user", "bob", "--pass", "pw", "PING")).toBe("NOAUTH Authentication required.");
    expect(await redisCli("-a", "sesame", "FLUSHALL")).toBe("ERR unknown command 'FLUSHALL', with args beginning with:");
    expect(await redisCli("-a", "sesame", "CONFIG", "GET", "databases")).toMatch(/^ERR unknown command 'CONFIG'/);
    expect(await redisCli("-a", "sesame", "SECRET", "GET", "databases")).toBe("databases\n16");
  });

  test("ioredis authenticates", async () => {
    const options = { port: server.port, lazyConnect: true, retryStrategy: () => null };
    const alice = new IoRedis({ ...options, username: "alice", password: "pw" });
    await alice.connect();
    expect(await alice.set("app:io", "1")).toBe("OK");
    await expect(alice.set("io", "1")).rejects.toThrow("NOPERM No permissions to access a key");
    await expect(alice.multi().set("app:io", "2").set("io", "2").exec()).rejects.toThrow(/^EXECABORT/);
    await expect(alice.keys("*")).rejects.toThrow("NOPERM User alice has no permissions to run the 'keys' command");
    const admin = new IoRedis({ ...options, password: "sesame" });
    await admin.connect();
    expect(await admin.get("app:io")).toBe("1");
    const closed = new Promise((resolve) => alice.once("close", resolve));
    expect(await admin.call("CLIENT", "KILL", "USER", "alice")).toBe(1);
    await closed;
    admin.disconnect();
  });

  test.each([2, 3] as const)("npm redis authenticates, RESP%i", async (RESP) => {
    const socket = { port: server.port, reconnectStrategy: false } as const;
    const alice = createClient({ RESP, username: "alice", password: "pw", socket });
    await alice.connect();
    expect(await alice.sendCommand(["ACL", "WHOAMI"])).toBe("alice");
    await expect(alice.get("other")).rejects.toThrow("NOPERM No permissions to access a key");
    alice.destroy();
    const wrong = createClient({ RESP, password: "wrong", socket });
    wrong.on("error", () => {});
    await expect(wrong.connect()).rejects.toThrow(/WRONGPASS/);
  });

  test("who is deleted is disconnected", async () => {
    const [admin, carol] = [await Raw.open(server.port), await Raw.open(server.port)];
    const ask = async (raw: Raw, line: string, reply: string) => {
      raw.write(`${line}\r\n`);
      expect(await raw.reply(reply)).toBe(reply);
    };
    await ask(admin, "GET k", "-NOAUTH Authentication required.\r\n");
    await ask(admin, "AUTH sesame", "+OK\r\n");
    await ask(admin, "ACL SETUSER carol on >pw +@all ~*", "+OK\r\n");
    await ask(carol, "AUTH carol pw", "+OK\r\n");
    await ask(admin, "ACL DELUSER carol", ":1\r\n");
    expect(await carol.until(() => false)).toBe("");
    expect(carol.closed).toBe(true);
    admin.end();
  });
});

describe("protected mode", () => {
  const lodis = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...words], { timeout: 10_000 });
    return { status, stdout: stdout.toString(), stderr: stderr.toString() };
  };
  const serve = ["serve", "--port", "0", "--bind", "0.0.0.0"];
  const refused = "lodis: other machines can reach 0.0.0.0, and anybody there may do everything: give a --requirepass, or let them with --protected-mode no\n";

  test.each([[[]], [["--protected-mode", "yes"]], [["--requirepass", ""]], [["--user", "alice on >pw +@all ~*"]]])(
    "who listens for others with %j is told to ask for a password",
    (options) => {
      expect(lodis(...serve, ...options)).toEqual({ status: 1, stdout: "", stderr: refused });
    },
  );

  test.each([
    [["--protected-mode", "no"]],
    [["--requirepass", "sesame"]],
    [["--user", "default on >sesame ~* &* +@all"]],
    [["--user", "default off"]],
  ])("and may with %j", async (options) => {
    const child = execFile(process.execPath, [cli, ...serve, ...options]);
    const [line] = (await new Promise((resolve) => child.stdout!.once("data", (text) => resolve([text])))) as [string];
    expect(line).toMatch(/^lodis is listening on 0\.0\.0\.0:\d+\n$/);
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
  });

  test.each([
    [["--protected-mode", "maybe"], "argument must be 'yes' or 'no'"],
    [["--rename-command", "GET"], "Bad directive or wrong number of arguments"],
    [["--rename-command", "NOSUCH", ""], "No such command in rename-command"],
    [["--user", "alice", "+nosuch"], "Error in user declaration 'alice': Unknown command or category name in ACL"],
  ])("%j is a clear error", (options, error) => {
    const { status, stdout, stderr } = lodis("serve", "--port", "0", ...options);
    expect([status, stdout, stderr.trimEnd().split("\n").at(-1)]).toEqual([1, "", error]);
  });
});
