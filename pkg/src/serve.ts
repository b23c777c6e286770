import { lookup } from "node:dns/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { LogEvent } from "./boundary/wasm.js";
import { Durability } from "./durability.js";
import { CLOSE, Engine, type EngineSettings } from "./engine.js";
import { type Loaded, load } from "./load.js";
import { StoreCalls } from "./stores/calls.js";
import { directory } from "./stores/directory.js";
import { wasmFile } from "./wasm-file.js";

/** Where to listen, and settings of the engine. */
export interface ServeOptions extends EngineSettings {
  readonly host: string;
  readonly port: number;
  /** Where the data is kept; in memory only without it. */
  readonly dir?: string | undefined;
  readonly appendOnly: boolean;
  readonly appendFsync: "always" | "everysec" | "no";
  /** Whether clients of other machines need a password. */
  readonly protectedMode: boolean;
  /** Is told what becomes of the log that an operator should know. */
  readonly onNotice: (text: string) => void;
  /** Is called when a client has ended it with SHUTDOWN. */
  readonly onShutdown: () => void;
}

/** A server that listens. */
export interface Serving {
  /** `host:port`. */
  readonly address: string;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** After a reply of about this size, more requests may wait in the engine (it stops at 1 MiB). */
const REPLY_PAUSE = 1024 * 1024 - 64;
const NOTHING = new Uint8Array(0);
/** How long a peer has to take the last bytes when the server closes. */
const GRACE_MS = 500;

/** Serves one engine over TCP: a session per connection. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const loaded = await load(wasmFile, true);
  const engine = new Engine(loaded, options);
  const sockets = new Set<Socket>();
  let log: ServedLog | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    accept(engine, socket, log?.durability);
  });
  try {
    if (options.protectedMode) await protect(engine, options.host);
    if (options.dir !== undefined) log = await openLog(loaded, engine, options, options.dir);
    await listen(server, options);
  } catch (error) {
    await log?.close();
    engine.close();
    throw error;
  }
  engine.schedule(0);
  // The bytes that asked for it are still being looked at.
  engine.onShutdown = () => queueMicrotask(options.onShutdown);
  return { address: addressOf(server), close: () => close(engine, server, sockets, log) };
}

/** The log of a server's engine. */
interface ServedLog {
  readonly durability: Durability;
  /** Stores what is pending, and lets go of the directory. */
  close(): Promise<void>;
}

async function openLog(
  { module }: Loaded,
  engine: Engine,
  { appendOnly, appendFsync, onNotice }: ServeOptions,
  dir: string,
): Promise<ServedLog> {
  let durability: Durability | undefined;
  const onEvent = (type: LogEvent, value: number | string): void => {
    if (type === "progress") return;
    if (type === "failed") durability?.failed(String(value));
    else durability?.durable();
    if (type !== "durable" && type !== "rewritten") onNotice(`the log in "${dir}": ${type} ${value}`.trimEnd());
    engine.drain();
  };
  const calls = new StoreCalls(directory(dir));
  const log = await module.Log.open(engine.lodis, calls, { appendOnly, appendFsync }, onEvent);
  const opened = new Durability(engine.lodis, log, () => {});
  durability = opened;
  engine.onWrite = () => opened.written();
  const close = async (): Promise<void> => {
    try {
      await log.close();
      await calls.closed;
    } finally {
      log.free();
    }
  };
  return { durability: opened, close };
}

/** What goes to one peer, in order, and not before it is stored if that was asked for. */
class Outlet {
  private waiting: Promise<void> | undefined;
  /** Bytes that wait for the store. */
  private held = 0;

  constructor(
    private readonly socket: Socket,
    private readonly durability: Durability | undefined,
  ) {}

  /** How much the peer has yet to take; 0 while it is not worth mentioning. */
  get unsent(): number {
    const { held, socket } = this;
    return held > 0 || socket.writableNeedDrain ? held + socket.writableLength : 0;
  }

  /** Sends bytes after everything before them, and then does `work`. */
  send(bytes: Uint8Array, work: () => void): void {
    const { socket } = this;
    const now = (): void => {
      if (bytes.length > 0 && socket.writable) socket.write(bytes);
      work();
    };
    const stored = this.durability?.pending();
    if (!stored && !this.waiting) return now();
    this.held += bytes.length;
    const turn = Promise.all([this.waiting, stored]).then(() => {
      this.held -= bytes.length;
      now();
    });
    // What could not be stored is not acknowledged: what became of it, the peer is not told.
    const settled = turn.catch(() => void socket.destroy()).then(() => {
      if (this.waiting === settled) this.waiting = undefined;
    });
    this.waiting = settled;
  }
}

function accept(engine: Engine, socket: Socket, durability: Durability | undefined): void {
  const peer = join(socket.remoteAddress ?? "", socket.remotePort ?? 0);
  const outlet = new Outlet(socket, durability);
  // The reason of a broken connection is the peer's; `close` follows.
  socket.on("error", () => {});
  let told = 0;
  /** Tells the engine how much the peer has yet to take. */
  const tell = (): void => {
    const { unsent } = outlet;
    if (unsent !== told) engine.setUnsent(connection, (told = unsent));
  };
  const connection = engine.openConnection(peer, (messages, over) => {
    outlet.send(messages, () => {
      // Who does not take what there is would not take the end of it either.
      if (over && socket.writableNeedDrain) socket.destroy();
      else if (over) socket.end();
      tell();
    });
    tell();
    // What came after a blocking command may be answered with more than can be sent at once.
    if (messages.length > REPLY_PAUSE) queueMicrotask(() => feed(NOTHING));
  });
  if (connection < 0) {
    socket.end("-ERR max number of clients reached\r\n");
    socket.resume();
    return;
  }
  const seconds = engine.lodis.keepAlive();
  if (seconds > 0) socket.setKeepAlive(true, seconds * 1000);
  /** Whether requests wait in the engine until the peer has taken its replies. */
  let held = false;
  const feed = (bytes: Uint8Array): void => {
    do {
      const reply = engine.receive(connection, bytes);
      const over = (engine.flags & CLOSE) !== 0;
      held = reply.length > REPLY_PAUSE;
      outlet.send(reply, () => {
        if (over) socket.end();
        tell();
      });
      engine.settle();
      if (over) return;
      bytes = NOTHING;
    } while (held && !socket.writableNeedDrain);
    if (socket.writableNeedDrain) socket.pause();
  };
  socket.on("data", (bytes: Buffer) => {
    // What arrives after QUIT or a protocol error is not looked at.
    if (!socket.writableEnded) feed(bytes);
  });
  socket.on("drain", () => {
    tell();
    if (held && !socket.writableEnded) feed(NOTHING);
    if (!socket.writableNeedDrain) socket.resume();
  });
  socket.once("close", () => engine.closeConnection(connection));
}

/** Refuses to serve everybody everything. */
async function protect(engine: Engine, host: string): Promise<void> {
  const session = engine.connect(() => {});
  const isOpen = engine.lodis.mayEverything(session);
  engine.disconnect(session);
  if (!isOpen || (host !== "" && (await lookup(host)).address.match(LOOPBACK))) return;
  throw new Error(
    `other machines can reach ${host === "" ? "every address" : host}, and anybody there may do everything: ` +
      "give a --requirepass, or let them with --protected-mode no",
  );
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function close(
  engine: Engine,
  server: Server,
  sockets: Set<Socket>,
  log: ServedLog | undefined,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.end();
  const late = setTimeout(() => sockets.forEach((socket) => socket.destroy()), GRACE_MS);
  await closed;
  clearTimeout(late);
  try {
    await log?.close();
  } finally {
    engine.close();
  }
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return join(address, port);
}

function join(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
