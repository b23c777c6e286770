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
  // A port that is free now may be taken by the time the server asks for it.
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = await freePort();
    const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
    const isMissing = await once(server, "spawn").then(() => false, () => true);
    if (isMissing) return undefined;
    while (server.exitCode === null) {
      if ((await processAt(port)) === server.pid) return { port, pid: server.pid, close: () => server.kill() };
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("redis-server does not start");
}

/** The number of the redis-server's process that listens on a port. */
async function processAt(port) {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1").setTimeout(1000, () => socket.destroy());
  let info = "";
  socket.end("INFO server\r\nQUIT\r\n");
  try {
    for await (const text of socket) info += text;
  } catch {
    // Nobody listens yet.
  }
  return Number(/^process_id:(\d+)\r$/m.exec(info)?.[1]);
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
