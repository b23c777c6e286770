// `lodis bridge`: pages reach a Redis by WebSockets. Each says a token and a prefix first; after that it may
// read keys with the prefix, and change them by commands that name no others.
import { timingSafeEqual, createHash } from "node:crypto";
import { createServer as createHttp, type IncomingMessage, type Server as HttpServer } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Entry, UpstreamError } from "../upstream/link.js";
import { decode, encode, type Received, textOf, type Wire } from "../upstream/wire.js";
import { commandTable } from "./commands.js";
import { connect, redisModule, type Server } from "./redis.js";
import { accept, refusalOf, refuse, ServerSocket } from "./websocket.js";

/** How a bridge is. */
export interface BridgeOptions {
  /** `redis://` or `rediss://`, with user, password and database. */
  readonly redis: string;
  /** Whether that is a node of a cluster. */
  readonly cluster: boolean;
  readonly host: string;
  readonly port: number;
  /** What pages have to say; at least one. */
  readonly tokens: readonly string[];
  /** What prefixes of pages begin with; if there are none, they may be anything. */
  readonly prefixes: readonly string[];
  /** From where pages may come; if there are none, from anywhere. What sends no Origin is no page. */
  readonly origins: readonly string[];
  readonly tls: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  /** The longest message, in bytes. */
  readonly maxMessageBytes: number;
  readonly maxClients: number;
  readonly onNotice: (text: string) => void;
}

/** A bridge that runs. */
export interface Bridge {
  /** As pages write it: `ws://host:port`. */
  readonly address: string;
  /** Ends all connections, and lets go of everything. */
  close(): Promise<void>;
}

/** A page has so long to say who it is, in milliseconds; then it is asked so often whether it is there. */
const HELLO_MS = 10_000;
const CHECK_MS = 30_000;
/** So many requests of a page may wait, and so many bytes for it. */
const MOST_REQUESTS = 64;
const MOST_WAITING = 64 * 1024 * 1024;
/** So often a page may say a wrong token. */
const MOST_GUESSES = 3;
/** So many keys may be read at once. */
const MOST_KEYS = 1000;

/** Starts a bridge. */
export async function bridge(options: BridgeOptions): Promise<Bridge> {
  const module = await redisModule();
  const table = await commandTable();
  const sessions = new Set<Session>();
  const server: HttpServer = options.tls ? createHttps({ ...options.tls } as object) : createHttp();
  server.on("request", (_, response) => response.writeHead(426, { upgrade: "websocket" }).end("a WebSocket is expected\n"));
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => {});
    const wrong = refusalOf(request);
    const { origin } = request.headers;
    if (wrong !== undefined) return refuse(socket, "400 Bad Request", wrong);
    if (origin !== undefined && options.origins.length > 0 && !options.origins.includes(origin)) {
      return refuse(socket, "403 Forbidden", "pages of this origin may not use it");
    }
    if (sessions.size >= options.maxClients) return refuse(socket, "503 Service Unavailable", "too many pages use it");
    accept(request, socket);
    const open = (prefix: Uint8Array, session: Session): Promise<Server> => connect(module, { url: options.redis, cluster: options.cluster }, table, prefix, session);
    const session = new Session(socket, options, open, () => sessions.delete(session));
    sessions.add(session);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  const timer = setInterval(() => sessions.forEach((session) => session.check()), CHECK_MS);
  return {
    address: `${options.tls ? "wss" : "ws"}://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    async close() {
      clearInterval(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...sessions].map((session) => session.goAway()));
      server.closeAllConnections();
      await closed;
      await table.close();
    },
  };
}

/** A page. */
class Session {
  private readonly socket: ServerSocket;
  private server: Server | undefined;
  private isOver = false;
  private waiting = 0;
  private work: Promise<void> = Promise.resolve();
  private readonly late = setTimeout(() => this.socket.close(1008, "it has not said who it is"), HELLO_MS);

  constructor(
    duplex: Duplex,
    private readonly options: BridgeOptions,
    private readonly open: (prefix: Uint8Array, session: Session) => Promise<Server>,
    private readonly onEnd: () => void,
  ) {
    this.socket = new ServerSocket(duplex, options.maxMessageBytes, {
      message: (bytes) => this.message(bytes),
      closed: () => this.closed(),
    });
  }

  check(): void {
    this.socket.check();
  }

  /** Answers what has been asked for, and ends. */
  async goAway(): Promise<void> {
    await this.work;
    this.socket.close(1001, "the bridge ends");
  }

  /** Of the server: these keys have changed. */
  changed(keys: readonly Uint8Array[] | null): void {
    this.send([0, 0, keys]);
  }

  /** Of the server: it is gone. */
  lost(error: Error): void {
    this.options.onNotice(`the server: ${error.message}`);
    this.socket.close(1013, "the server is gone");
  }

  private message(bytes: Uint8Array): void {
    let words: readonly Received[];
    try {
      const decoded = decode(bytes);
      if (!Array.isArray(decoded) || typeof decoded[0] !== "number") throw new TypeError("not a request");
      words = decoded;
    } catch (error) {
      return this.socket.close(1007, (error as Error).message);
    }
    if (++this.waiting > MOST_REQUESTS) return this.socket.close(1008, "too many requests at once");
    // One after the other, so that what was asked for later sees what was asked for before.
    this.work = this.work.then(() => this.answer(words));
  }

  private async answer([number, op, ...rest]: readonly Received[]): Promise<void> {
    if (this.isOver) return;
    try {
      this.send([number as number, 0, await this.run(textOf(op), rest)]);
    } catch (error) {
      const text = error instanceof UpstreamError ? error.message.replace(": ", " ") : errorText(error);
      this.send([number as number, 1, text]);
    }
    this.waiting--;
  }

  private async run(op: string, [first, second]: readonly Received[]): Promise<Wire> {
    if (op === "hello") return this.hello(textOf(first), bytesIn(second));
    const { server } = this;
    if (!server) throw new UpstreamError("NOAUTH", "hello comes first");
    switch (op) {
      case "ping":
        return null;
      case "apply": {
        const client = textOf(first);
        if (!/^[\w-]{1,64}$/.test(client)) throw malformed();
        const refusals = await server.apply(client, entriesIn(second));
        return refusals.map(({ id, index, text }) => [id, index, text]);
      }
      case "read": {
        const keys = listOf(first).map(bytesIn);
        const { prefix } = this;
        if (keys.length > MOST_KEYS) throw malformed();
        if (!keys.every((key) => prefix.every((byte, index) => key[index] === byte))) {
          throw new UpstreamError("NOPERM", "a key is outside of the prefix");
        }
        const values = await server.read(keys, listOf(second).map(textOf));
        return values.map(({ payload, digest, expiresAt }) => [payload, digest, expiresAt]);
      }
      case "scan": {
        const cursor = first === null ? null : textOf(first);
        if (cursor !== null && !/^\d{1,5}:\d{1,20}$/.test(cursor)) throw malformed();
        const { keys, cursor: next } = await server.scan(cursor);
        return [next, keys];
      }
    }
    throw malformed();
  }

  private prefix: Uint8Array = new Uint8Array();
  private guesses = 0;

  private async hello(token: string, prefix: Uint8Array): Promise<null> {
    const { tokens, prefixes } = this.options;
    if (this.server) throw malformed();
    if (!tokens.filter((known) => isSame(known, token)).length) {
      if (++this.guesses >= MOST_GUESSES) setImmediate(() => this.socket.close(1008, "the token is wrong"));
      throw new UpstreamError("WRONGPASS", "the token is wrong");
    }
    const text = Buffer.from(prefix);
    if (prefixes.length > 0 && !prefixes.some((each) => text.subarray(0, Buffer.byteLength(each)).equals(Buffer.from(each)))) {
      throw new UpstreamError("NOPERM", "this prefix is not to be used");
    }
    clearTimeout(this.late);
    const server = await this.open(prefix, this);
    [this.server, this.prefix] = [server, prefix];
    if (this.isOver) server.close();
    return null;
  }

  private send(message: Wire): void {
    if (this.isOver) return;
    if (this.socket.waiting > MOST_WAITING) return this.socket.close(1013, "it does not take what it asks for");
    this.socket.send(encode(message));
  }

  private closed(): void {
    this.isOver = true;
    clearTimeout(this.late);
    this.server?.close();
    this.onEnd();
  }
}

/** Takes as long for any token. */
function isSame(known: string, token: string): boolean {
  const [a, b] = [known, token].map((text) => createHash("sha256").update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(a, b);
}

/** What the server says, or what is wrong with it. */
function errorText(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const isReply = /^[A-Z]+ /.test(message);
  return isReply ? message : `NETWORK the server: ${message || name}`;
}

function malformed(): UpstreamError {
  return new UpstreamError("PROTOCOL", "this is not understood");
}

function bytesIn(value: Received | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw malformed();
}

function listOf(value: Received | undefined): readonly Received[] {
  if (Array.isArray(value)) return value as readonly Received[];
  throw malformed();
}

function entriesIn(value: Received | undefined): Entry[] {
  return listOf(value).map((each) => {
    const [name, commands] = listOf(each);
    const id = textOf(name);
    if (!/^\d{1,15}-\d{1,15}$/.test(id)) throw malformed();
    return { id, commands: listOf(commands).map((words) => listOf(words).map(bytesIn)) };
  });
}
