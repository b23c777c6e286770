import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { CLOSE, Engine, type EngineSettings } from "./engine.js";
import { load } from "./load.js";
import { wasmFile } from "./wasm-file.js";

/** Where to listen, and settings of the engine. */
export interface ServeOptions extends EngineSettings {
  readonly host: string;
  readonly port: number;
}

/** A server that listens. */
export interface Serving {
  /** `host:port`. */
  readonly address: string;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/**
 * A subscriber that does not read is disconnected when this much waits for it: the hard limit of
 * Redis's `client-output-buffer-limit pubsub`.
 */
const UNSENT_MAX = 32 * 1024 * 1024;
/** After a reply of about this size, more requests may wait in the engine (it stops at 1 MiB). */
const REPLY_PAUSE = 1024 * 1024 - 64;
const NOTHING = new Uint8Array(0);
/** How long a peer has to take the last bytes when the server closes. */
const GRACE_MS = 500;

/** Serves one engine over TCP: a session per connection. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const engine = new Engine(await load(wasmFile), options);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    accept(engine, socket);
  });
  try {
    await listen(server, options);
  } catch (error) {
    engine.close();
    throw error;
  }
  engine.schedule(0);
  return { address: addressOf(server), close: () => close(engine, server, sockets) };
}

function accept(engine: Engine, socket: Socket): void {
  const peer = join(socket.remoteAddress ?? "", socket.remotePort ?? 0);
  const connection = engine.openConnection(peer, (messages, over) => {
    send(socket, messages);
    if (over) socket.end();
    // What came after a blocking command may be answered with more than can be sent at once.
    if (messages.length > REPLY_PAUSE) queueMicrotask(() => feed(NOTHING));
    if (socket.writableLength > UNSENT_MAX) socket.destroy();
  });
  /** Whether requests wait in the engine until the peer has taken its replies. */
  let held = false;
  const feed = (bytes: Uint8Array): void => {
    do {
      const reply = engine.receive(connection, bytes);
      const over = (engine.flags & CLOSE) !== 0;
      held = reply.length > REPLY_PAUSE;
      send(socket, reply);
      engine.settle();
      if (over) return void socket.end();
      bytes = NOTHING;
    } while (held && !socket.writableNeedDrain);
    if (socket.writableNeedDrain) socket.pause();
  };
  socket.on("data", (bytes: Buffer) => {
    // What arrives after QUIT or a protocol error is not looked at.
    if (!socket.writableEnded) feed(bytes);
  });
  socket.on("drain", () => {
    if (held && !socket.writableEnded) feed(NOTHING);
    if (!socket.writableNeedDrain) socket.resume();
  });
  // The reason of a broken connection is the peer's; `close` follows.
  socket.on("error", () => {});
  socket.once("close", () => engine.closeConnection(connection));
}

function send(socket: Socket, bytes: Uint8Array): void {
  if (bytes.length > 0 && socket.writable) socket.write(bytes);
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function close(engine: Engine, server: Server, sockets: Set<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.end();
  const late = setTimeout(() => sockets.forEach((socket) => socket.destroy()), GRACE_MS);
  await closed;
  clearTimeout(late);
  engine.close();
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return join(address, port);
}

function join(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
