// `lodis serve` as a command: options, errors, the way it ends.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { cli, Raw, start } from "./serving.js";

const lodis = (...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...words], { timeout: 10_000 });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
};

test("--help and --version", async () => {
  const help = lodis("--help");
  expect(help).toMatchObject({ status: 0, stderr: "" });
  expect(help.stdout).toMatch(/^usage: lodis <command>[^]*lodis serve /);
  for (const flag of ["--help", "-h"]) expect(lodis("serve", flag).stdout).toMatch(/^usage: lodis serve[^]*in memory only/);
  const manifest = await readFile(new URL("../../pkg/package.json", import.meta.url), "utf8");
  const version = `${JSON.parse(manifest).version}\n`;
  for (const words of [["--version"], ["-v"], ["serve", "--version"], ["serve", "-v"]]) {
    expect(lodis(...words)).toEqual({ status: 0, stdout: version, stderr: "" });
  }
});

test("the package brings the command lodis", () => {
  const bin = fileURLToPath(new URL("../node_modules/.bin/lodis", import.meta.url));
  const { status, stdout } = spawnSync(bin, ["serve", "--help"], { timeout: 10_000 });
  expect([status, stdout.toString()]).toEqual([0, lodis("serve", "--help").stdout]);
});

test.each([
  [[], "a command is missing"],
  [["sevre"], 'unknown command "sevre"'],
  [["toString"], 'unknown command "toString"'],
])("%j is answered with the mistake, the usage and exit code 2", (words, mistake) => {
  const { status, stdout, stderr } = lodis(...words);
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr.slice(0, `lodis: ${mistake}\n\nusage: lodis <command>`.length)).toBe(`lodis: ${mistake}\n\nusage: lodis <command>`);
});

test("a port in use and an address of somebody else are clear errors", async () => {
  const server = await start();
  const used = lodis("serve", "--port", String(server.port));
  expect(used.status).toBe(1);
  expect(used.stderr).toBe(`lodis: 127.0.0.1:${server.port} is in use; choose another with --port\n`);
  await server.stop();
  const foreign = lodis("serve", "--port", "0", "--bind", "192.0.2.1", "--requirepass", "sesame");
  expect(foreign).toMatchObject({ status: 1, stderr: "lodis: --bind has an address that this machine does not have\n" });
});

test("only this machine can connect unless told otherwise", async () => {
  const outcomes: string[] = [];
  // Somebody else may listen on the same port of the other address.
  while (outcomes.length < 5 && outcomes.at(-1) !== "ECONNREFUSED") {
    const child = spawn(process.execPath, [cli, "serve", "--port", "0", "--bind", "::1"]);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const port = Number(/^lodis is listening on \[::1\]:(\d+)\n$/.exec(line.toString())?.[1]);
    const socket = connect(port, "127.0.0.1");
    const connected = once(socket, "connect").then(() => "connected");
    outcomes.push(await connected.catch((error: NodeJS.ErrnoException) => error.code!));
    socket.destroy();
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  expect(outcomes.at(-1)).toBe("ECONNREFUSED");
});

test("maxmemory and its policy are those of the server", async () => {
  const server = await start("--maxmemory", "1kb", "--maxmemory-policy", "allkeys-lru");
  const peer = await Raw.open(server.port);
  peer.write("CONFIG GET maxmemory\r\nCONFIG GET maxmemory-policy\r\nSET a 1\r\n");
  const replies = await peer.until((text) => text.includes("-OOM"));
  expect(replies).toContain("\r\n1024\r\n");
  expect(replies).toContain("\r\nallkeys-lru\r\n");
  await server.stop();
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends connections and the process", async (signal) => {
  const server = await start("--databases", "2");
  const peer = await Raw.open(server.port);
  peer.write("SET a 1\r\nCONFIG GET databases\r\n");
  expect(await peer.until((text) => text.endsWith("2\r\n"))).toMatch(/^\+OK\r\n/);
  server.child!.kill(signal);
  const [code, killedBy] = (await once(server.child!, "exit")) as [number, string | null];
  expect([code, killedBy]).toEqual([0, null]);
  await peer.until(() => false);
  expect(peer.closed).toBe(true);
});
