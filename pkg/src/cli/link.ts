// A connection to what answers: a server, or an instance in this process.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { createConnection } from "../clients/index.js";
import { open } from "../node-full.js";
import type { Redis } from "../redis.js";
import { directory } from "../stores/directory.js";
import type { CliOptions } from "./options.js";
import { type Reply, ReplyParser, requestOf } from "./reply.js";

/** Where the connections of a session go. */
export interface Target {
  /** As in the prompt. */
  readonly name: string;
  /** Makes one; rejects with the reason. */
  connect(): Promise<Duplex>;
  /** Another server, to which this one sends its clients; undefined where there are none. */
  readonly at?: (host: string, port: number) => Target;
  /** Everything there is, as an RDB file, where that needs no connection. */
  readonly snapshot?: () => Promise<Blob>;
  /** Lets go of what is in this process. */
  close(): Promise<void>;
}

/** Where the options say. */
export async function targetOf(options: CliOptions): Promise<Target> {
  if (options.dir === undefined && !options.memory) {
    return server(options);
  }
  const store = options.dir === undefined ? ("memory" as const) : directory(options.dir);
  const redis: Redis = await open("cli", { store });
  return { name: "lodis", connect: async () => createConnection(redis), snapshot: () => redis.exportRdb(), close: () => redis.close() };
}

function server(options: CliOptions): Target {
  const { host, port, socket } = options;
  return {
    name: socket === undefined ? `${host.includes(":") ? `[${host}]` : host}:${port}` : `redis ${socket}`,
    connect: () => dial(options),
    // Whoever does not know its own name has said nothing: it is where this one is.
    at: (name, number) => server({ ...options, host: name === "" ? host : name, port: number }),
    close: async () => {},
  };
}

async function dial(options: CliOptions): Promise<Duplex> {
  const { host, port, socket: path } = options;
  const where = path === undefined ? { host, port } : { path };
  if (!options.tls) {
    const socket = connect({ ...where, noDelay: true });
    await once(socket, "connect");
    return socket;
  }
  const read = (name: "ca" | "cert" | "key", file: string | undefined) => (file === undefined ? {} : { [name]: readFileSync(file) });
  const socket = connectTls({
    ...where,
    ...read("ca", options.cacert),
    ...read("cert", options.cert),
    ...read("key", options.key),
    ...(options.sni === undefined ? {} : { servername: options.sni }),
    rejectUnauthorized: !options.insecure,
  });
  await once(socket, "secureConnect");
  return socket;
}

/** The connection is over. */
export class Disconnected extends Error {
  constructor() {
    super("Server closed the connection");
  }
}

/** One connection: requests go, replies come in their order, and messages between them. */
export class Link {
  private readonly parser = new ReplyParser();
  private readonly replies: Reply[] = [];
  private waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  private ended: Error | undefined;
  private readonly onData = (bytes: Buffer): void => this.take(bytes);

  constructor(
    private readonly socket: Duplex,
    /** Takes a push message, which nobody waits for, unless they count as replies; whether it has. */
    private readonly onPush: (reply: Reply) => boolean,
  ) {
    socket.on("data", this.onData);
    socket.on("error", (error: Error) => this.end(error));
    socket.on("close", () => this.end(new Disconnected()));
  }

  get isOver(): boolean {
    return this.ended !== undefined;
  }

  send(words: readonly Uint8Array[]): void {
    this.write(requestOf(words));
  }

  /** Sends bytes as they are; whether more may follow at once. */
  write(bytes: Uint8Array): boolean {
    return this.socket.write(bytes);
  }

  /** Resolves when more may be sent. */
  async drained(): Promise<void> {
    await Promise.race([once(this.socket, "drain"), once(this.socket, "close")]);
  }

  /** The next reply. Rejects when there will be none. */
  reply(): Promise<Reply> {
    const reply = this.replies.shift();
    if (reply) return Promise.resolve(reply);
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => (this.waiting = { resolve, reject }));
  }

  async call(...words: (string | Uint8Array)[]): Promise<Reply> {
    this.send(words.map((word) => (typeof word === "string" ? Buffer.from(word) : word)));
    return this.reply();
  }

  close(): void {
    this.socket.destroy();
  }

  /** Hands over the connection, for what comes now is no reply. Nothing may be on its way. */
  release(): Duplex {
    this.socket.off("data", this.onData);
    return this.socket;
  }

  private take(bytes: Buffer): void {
    let replies: Reply[];
    try {
      replies = this.parser.push(bytes);
    } catch (error) {
      this.end(error as Error);
      this.socket.destroy();
      return;
    }
    for (const reply of replies) {
      if (reply.type === "push" && this.onPush(reply)) continue;
      if (this.waiting) this.settle(reply);
      else this.replies.push(reply);
    }
  }

  private settle(reply: Reply): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.resolve(reply);
  }

  private end(error: Error): void {
    if (this.ended) return;
    this.ended = error;
    this.waiting?.reject(error);
    this.waiting = undefined;
  }
}
