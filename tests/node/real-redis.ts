// A redis-server of our own, in a directory of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis as IoRedis } from "ioredis";

export interface RealRedis {
  readonly directory: string;
  readonly client: IoRedis;
  stop(): Promise<void>;
}

/** A new directory for files of a server. */
export const newDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), "lodis-redis-"));

/** Starts a server that loads what is in `directory`, and goes with it. */
export async function startRealRedis(directory: string, ...options: string[]): Promise<RealRedis> {
  const port = await freePort();
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory];
  const child = spawn("redis-server", [...fixed, "--enable-debug-command", "local", ...options]);
  let log = "";
  child.stdout.on("data", (text: Buffer) => (log += text.toString()));
  const exited = once(child, "exit");
  const client = new IoRedis({ port, host: "127.0.0.1", lazyConnect: true, retryStrategy: () => 50 });
  client.on("error", () => {}); // it is not listening yet
  const ready = client.ping();
  const ended = exited.then(() => Promise.reject(new Error(`redis-server has ended:\n${log}`)));
  await Promise.race([ready, ended]);
  const stop = async (): Promise<void> => {
    ended.catch(() => {});
    client.disconnect();
    if (child.exitCode === null && child.kill("SIGKILL")) await exited;
    await rm(directory, { recursive: true, force: true });
  };
  return { directory, client, stop };
}

/** A port that nobody listens on now; somebody else may take it first. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
