// Servers of our own, for as long as a benchmark runs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../pkg/dist/cli.js", import.meta.url));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A redis-server, if it is installed. */
export async function redisServer() {
  const port = await freePort();
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
  const failed = once(server, "error").then(() => true);
  for (let turn = 0; turn < 100; turn++) {
    const socket = connect(port, "127.0.0.1");
    const answers = await Promise.race([
      failed.then(() => "missing"),
      once(socket, "connect").then(() => "there", () => new Promise((resolve) => setTimeout(resolve, 50))),
    ]);
    socket.destroy();
    if (answers === "missing") return undefined;
    if (answers === "there") return { port, pid: server.pid, close: () => server.kill() };
  }
  server.kill();
  return undefined;
}

/** The built package's `lodis serve`. */
export async function lodisServe() {
  const server = spawn(process.execPath, [CLI, "serve", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(server, "exit").then(() => ["nothing: it has ended"]);
  const [line] = await Promise.race([once(server.stdout, "data"), ended]);
  const port = Number(/:(\d+)\n$/.exec(String(line))?.[1]);
  if (!(port > 0)) throw new Error(`lodis serve says ${line}`);
  return { port, pid: server.pid, close: () => server.kill() };
}
