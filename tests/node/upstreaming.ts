// A real redis-server, a bridge to it, and a line between that breaks in every way.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Redis as IoRedis } from "ioredis";
import type { Redis, Upstream } from "lodis";
import { WebSocket } from "ws";
import { cli } from "./serving.js";

export const TOKEN = "sesame";

/** The class of sockets: Node 20 has none. */
export const Socket20 = WebSocket as unknown as NonNullable<Parameters<Redis["upstream"]>[0]["WebSocket"]>;

export interface RunningBridge {
  readonly port: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** Starts `lodis bridge` as a process. */
export async function startBridge(redis: string, ...options: string[]): Promise<RunningBridge> {
  const words = [cli, "bridge", "--redis", redis, "--token", TOKEN, "--port", "0", ...options];
  // Where `redis` can be found.
  const child = spawn(process.execPath, words, { cwd: new URL(".", import.meta.url) });
  let mistakes = "";
  child.stderr.on("data", (text: Buffer) => (mistakes += text.toString()));
  const ended = once(child, "exit").then(() => Promise.reject(new Error(mistakes)));
  const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [Buffer];
  ended.catch(() => {});
  const port = Number(/^lodis bridge is listening on wss?:\/\/127\.0\.0\.1:(\d+)\n$/.exec(line.toString())?.[1]);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
  };
  return { port, child, stop };
}

/** Passes on what it gets, until it is told otherwise. */
export class Line {
  private readonly pairs = new Set<[Socket, Socket]>();
  private readonly server: Server;
  /** New connections are ended at once. */
  isDown = false;
  /** What comes back is swallowed, and the connection is cut so many milliseconds after something was. */
  swallows = false;
  /** How many bytes have come back. */
  bytes = 0;

  private constructor(private readonly target: number) {
    this.server = createServer((from) => this.connected(from));
  }

  static async to(port: number): Promise<Line> {
    const line = new Line(port);
    line.server.listen(0, "127.0.0.1");
    await once(line.server, "listening");
    return line;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private connected(from: Socket): void {
    if (this.isDown) return void from.destroy();
    const to = connect(this.target, "127.0.0.1");
    const pair: [Socket, Socket] = [from, to];
    this.pairs.add(pair);
    const end = (): void => {
      this.pairs.delete(pair);
      from.destroy();
      to.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    from.on("data", (bytes) => to.write(bytes));
    to.on("data", (bytes) => {
      this.bytes += bytes.length;
      // The server has done what it answers.
      if (this.swallows) end();
      else from.write(bytes);
    });
  }

  /** Breaks every connection. */
  cut(): void {
    for (const pair of [...this.pairs]) for (const socket of pair) socket.destroy();
  }

  down(): void {
    this.isDown = true;
    this.cut();
  }

  up(): void {
    this.isDown = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}

/** Upstash's protocol before a real server, as far as single commands go. */
export async function restOf(client: IoRedis): Promise<{ port: number; close(): void }> {
  const encoded = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return Array.isArray(value) ? value.map(encoded) : value;
  };
  const server: HttpServer = createHttp(async (request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, { error: "WRONGPASS" });
    if (request.method !== "POST") return answer(404, { error: "ERR not found" });
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += String(part);
    const [name, ...args] = JSON.parse(text) as [string, ...string[]];
    try {
      answer(200, { result: encoded(await client.callBuffer(name, ...args)) });
    } catch (error) {
      answer(400, { error: (error as Error).message });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { port, close };
}

/** Waits until something is so. */
export async function until(test: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await test()); ) {
    if (Date.now() > deadline) throw new Error(`still waiting: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const online = (upstream: Upstream): Promise<void> => until(() => upstream.state === "online", "online");
