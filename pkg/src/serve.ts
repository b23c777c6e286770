import { lookup } from "node:dns/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { LogEvent } from "./boundary/wasm.js";
import { accept, join } from "./connection.js";
import { Durability } from "./durability.js";
import { Engine, type EngineSettings } from "./engine.js";
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
    accept({ engine, durability: log?.durability }, socket);
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
