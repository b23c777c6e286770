// Where `lodis serve` listens: TLS, sockets in the file system, several addresses; with real clients.
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis as IoRedis } from "ioredis";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, newDirectory } from "./real-redis.js";
import { cli } from "./serving.js";

const run = promisify(execFile);

let dir: string;
const file = (name: string) => join(dir, name);
beforeAll(async () => {
  dir = await newDirectory();
  const openssl = (...words: string[]) => execFileSync("openssl", words, { cwd: dir, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=Test CA");
  await writeFile(file("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  for (const name of ["server", "client"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", "names"];
    openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...ca);
  }
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const certificate = () => ["--tls-cert-file", file("server.crt"), "--tls-key-file", file("server.key")];

/** Starts it, tells where it listens, and ends it afterwards. */
async function serving(options: string[], use: (addresses: string[]) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [cli, "serve", ...options]);
  let mistakes = "";
  child.stderr.on("data", (text: Buffer) => (mistakes += text.toString()));
  const ended = once(child, "exit");
  const [line] = (await Promise.race([once(child.stdout, "data"), ended.then(() => Promise.reject(new Error(mistakes)))])) as [Buffer];
  try {
    await use(/^lodis is listening on (.*)\n$/.exec(line.toString())![1]!.split(", "));
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

describe("TLS", () => {
  test("clients without certificates, where that is allowed", async () => {
    const port = await freePort();
    const options = ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no", ...certificate()];
    await serving(options, async (addresses) => {
      expect(addresses).toEqual([`127.0.0.1:${port} (TLS)`]);
      const { stdout } = await run("redis-cli", ["-p", String(port), "--tls", "--cacert", file("ca.crt"), "SET", "k", "v"]);
      expect(stdout).toBe("OK\n");
      const tls = { ca: readFileSync(file("ca.crt")) };
      const client = new IoRedis({ port, host: "127.0.0.1", tls });
      expect(await client.get("k")).toBe("v");
      await client.set("large", "x".repeat(5_000_000));
      expect(await client.get("large")).toHaveLength(5_000_000);
      client.disconnect();
      const other = createClient({ socket: { port, tls: true, ...tls } });
      await other.connect();
      expect(await other.get("k")).toBe("v");
      other.destroy();
      const plain = spawnSync("redis-cli", ["-p", String(port), "PING"], { timeout: 10_000 });
      expect(plain.status).toBe(1);
      const stranger = new IoRedis({ port, host: "127.0.0.1", tls: {}, retryStrategy: () => null, lazyConnect: true });
      stranger.on("error", () => {});
      await expect(stranger.connect()).rejects.toThrow();
    });
  });

  test("clients show a certificate of the authority, unless told otherwise", async () => {
    const port = await freePort();
    const options = ["--port", "0", "--tls-port", String(port), "--tls-ca-cert-file", file("ca.crt"), ...certificate()];
    await serving([...options, "--tls-protocols", "TLSv1.2"], async () => {
      const redisCli = (...words: string[]) =>
        run("redis-cli", ["-p", String(port), "--tls", "--cacert", file("ca.crt"), ...words, "PING"], { timeout: 10_000 });
      const shown = ["--cert", file("client.crt"), "--key", file("client.key")];
      expect((await redisCli(...shown)).stdout).toBe("PONG\n");
      const { stdout, stderr } = await redisCli().catch((error: { stdout: string; stderr: string }) => error);
      expect([stdout, stderr !== ""]).toEqual(["", true]);
    });
    await serving([...options, "--tls-auth-clients", "optional"], async () => {
      const { stdout } = await run("redis-cli", ["-p", String(port), "--tls", "--cacert", file("ca.crt"), "PING"]);
      expect(stdout).toBe("PONG\n");
    });
  });

  test.each([
    [[], "No tls-cert-file configured!"],
    [["--tls-cert-file", "/nowhere.pem", "--tls-auth-clients", "no"], "Failed to load '/nowhere.pem': No such file or directory"],
    [["CERTIFICATE"], "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-auth-clients is enabled!"],
    [["CERTIFICATE", "--tls-auth-clients", "no", "--tls-protocols", "SSLv2"], "Invalid tls-protocols specified."],
  ])("%j does not suffice", (options, reason) => {
    const words = options.flatMap((word) => (word === "CERTIFICATE" ? certificate() : word));
    const { status, stderr } = spawnSync(process.execPath, [cli, "serve", "--port", "0", "--tls-port", "1", ...words], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringContaining(`lodis: ${reason}`)]);
  });
});

test("a socket in the file system, alone or beside others", async () => {
  const path = file("lodis.sock");
  await serving(["--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--enable-debug-command", "local"], async (addresses) => {
    expect(addresses).toEqual([path]);
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe("700");
    const { stdout } = await run("redis-cli", ["-s", path, "CLIENT", "LIST"]);
    expect(stdout).toContain(` addr=${path}:0 `);
    const client = new IoRedis(path);
    expect(await client.set("k", "v")).toBe("OK");
    expect(await client.call("CONFIG", "GET", "unixsocket*")).toEqual(["unixsocket", path, "unixsocketperm", "700"]);
    expect(await client.call("DEBUG", "DIGEST")).toMatch(/^[0-9a-f]{40}$/);
    client.disconnect();
  });
  await expect(stat(path)).rejects.toThrow("ENOENT");
  const port = await freePort();
  await serving(["--port", String(port), "--unixsocket", path], async (addresses) => {
    expect(addresses).toEqual([`127.0.0.1:${port}`, path]);
    const [tcp, local] = [new IoRedis(port), new IoRedis(path)];
    await tcp.set("k", "over TCP");
    expect(await local.get("k")).toBe("over TCP");
    tcp.disconnect();
    local.disconnect();
  });
});

test("what a killed server left behind is no obstacle", async () => {
  const path = file("left.sock");
  const options = ["serve", "--port", "0", "--unixsocket", path];
  const killed = spawn(process.execPath, [cli, ...options]);
  await once(killed.stdout, "data");
  killed.kill("SIGKILL");
  await once(killed, "exit");
  expect((await stat(path)).isSocket()).toBe(true);
  await serving(options.slice(1), async () => {
    expect((await run("redis-cli", ["-s", path, "PING"])).stdout).toBe("PONG\n");
  });
  // But nothing else is removed.
  await writeFile(path, "a file");
  const { status, stderr } = spawnSync(process.execPath, [cli, ...options], { encoding: "utf8" });
  expect([status, stderr]).toEqual([1, `lodis: ${path} is in use; choose another with --unixsocket\n`]);
});

test("several addresses have the same port; one that this machine lacks may be missing if it may be", async () => {
  await serving(["--port", "0", "--bind", "127.0.0.1", "127.0.0.2", "-192.0.2.1", "--requirepass", "x"], async (addresses) => {
    const port = Number(addresses[0]!.split(":")[1]);
    expect(addresses).toEqual([`127.0.0.1:${port}`, `127.0.0.2:${port}`]);
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      const socket = connect(port, host);
      await once(socket, "connect");
      socket.destroy();
    }
  });
});
