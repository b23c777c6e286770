import { DurableObject } from "cloudflare:workers";
import type { ReplyReader } from "../boundary/reply.js";
import { find, flatten, plain } from "../commands.js";
import { orThrow, ReplyError } from "../errors.js";
import { Host } from "../host.js";
import { load, type SourceOf } from "../load.js";
import { type OpenOptions, settingsOf } from "../options.js";
import { Redis } from "../redis.js";
import { REQUEST_MAX, rest, type RestHandler, type RestOptions } from "../rest.js";
import { gate } from "../rest/access.js";
import { objectStore } from "../stores/durable-object.js";
import type { Argument, Input, Reply } from "../types.js";
import { Sockets } from "./sockets.js";

/** The options of `open` that an object has. */
const OPEN_OPTIONS = [
  "appendfsync",
  "databases",
  "maxmemory",
  "maxmemoryPolicy",
  "requirepass",
  "users",
  "username",
  "password",
  "renameCommand",
] as const satisfies readonly (keyof OpenOptions)[];
/** And those of `rest`. */
const REST_OPTIONS = [
  "token",
  "readOnlyToken",
  "authenticate",
  "anyone",
  "path",
  "cors",
  "maxRequestBytes",
] as const satisfies readonly (keyof RestOptions)[];

/**
 * Settings of an object: of its instance, as `open` takes them, and of who may use it over HTTP and
 * WebSockets, as `rest` does. `appendfsync` is `always` by default: what is answered is stored.
 */
export interface ObjectOptions extends RestOptions, Pick<OpenOptions, (typeof OPEN_OPTIONS)[number]> {}

/** An alarm is set so much ahead at most, in milliseconds: times that keys may have are beyond what a date may be. */
const ALARM_MAX_MS = 365 * 24 * 60 * 60 * 1000;

/** A command as words, or the words of several. */
type Words = readonly Argument[];

/**
 * A Durable Object that is a Redis: its data is in the object's storage, and comes back when the object
 * does. Its `fetch` speaks Upstash's REST protocol, and JSON over WebSockets that outlive its sleep; its
 * methods are called over RPC. A class that extends it has {@link redis}.
 */
export class StoredObject<Env = unknown> extends DurableObject<Env> {
  /**
   * The settings of objects of this class. By default the tokens `LODIS_TOKEN` and
   * `LODIS_READ_ONLY_TOKEN` of the environment give access over HTTP, and nothing does without them.
   */
  static options(env: unknown): ObjectOptions {
    const { LODIS_TOKEN: token, LODIS_READ_ONLY_TOKEN: readOnlyToken } = (env ?? {}) as Record<string, string | undefined>;
    return { ...(token !== undefined && { token }), ...(readOnlyToken !== undefined && { readOnlyToken }) };
  }

  /** The open instance: no event reaches the object before it is. After SHUTDOWN, the next event opens another. */
  redis!: Redis;
  readonly #source: SourceOf;
  readonly #scripting: boolean;
  readonly #options: ObjectOptions;
  readonly #sockets: Sockets;
  #handler: RestHandler | undefined;
  /** When the runtime will call {@link alarm}; null for never. */
  #alarmAt: number | null = null;
  #opening: Promise<void>;

  constructor(ctx: DurableObjectState, env: Env, source: SourceOf, scripting: boolean) {
    super(ctx, env);
    this.#source = source;
    this.#scripting = scripting;
    this.#options = (this.constructor as typeof StoredObject).options(env);
    this.#sockets = new Sockets(ctx, this.#options.maxRequestBytes ?? REQUEST_MAX);
    this.#opening = ctx.blockConcurrencyWhile(() => this.#open());
  }

  /** Any command, as on the wire, in a session of its own. */
  async call(name: string, ...input: Input[]): Promise<Reply> {
    const command = find(name, input[0]);
    const [reply] = await this.pipeline([[...command.name.split(" "), ...flatten(command, input)]]);
    return orThrow(reply!);
  }

  /** Runs commands one after the other, in a session of their own; answers a reply for each, an `Error` where one failed. */
  async pipeline(commands: readonly Words[]): Promise<Reply[]> {
    return this.#run(commands);
  }

  /**
   * Runs commands as a transaction; answers a reply for each, an `Error` where one failed.
   *
   * @throws ReplyError if one cannot even be queued: none is run then.
   */
  async multi(commands: readonly Words[]): Promise<Reply[]> {
    const replies = await this.#run([["MULTI"], ...commands, ["EXEC"]]);
    const queued = replies.slice(0, -1).find((reply) => reply instanceof ReplyError);
    return orThrow(queued ?? replies.at(-1)!) as Reply[];
  }

  /**
   * What `lodisOf` calls: the replies as RESP3 writes them, or the error that stands for all of them.
   */
  async exchange(commands: readonly Words[]): Promise<Uint8Array | string> {
    try {
      return await this.#batch(commands, (reader) => reader.rest());
    } catch (error) {
      if (error instanceof ReplyError) return error.message;
      throw error;
    }
  }

  /** Deletes all that the object has stored, its alarm too, so that it costs nothing; {@link redis} is closed. */
  async deleteAll(): Promise<void> {
    await this.#ready();
    await this.redis.close();
    this.#alarmAt = null;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Answers in Upstash's REST protocol, or with a WebSocket, whoever {@link options} give access. */
  async fetch(request: Request): Promise<Response> {
    const { token, readOnlyToken, authenticate, anyone } = this.#options;
    if (token === undefined && readOnlyToken === undefined && !authenticate && !anyone) {
      return refusal(403, "NOAUTH nobody has access over HTTP: the options of the class, or LODIS_TOKEN, give it");
    }
    await this.#ready();
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      this.#handler ??= rest(this.redis, this.#options);
      return this.#handler(request);
    }
    const access = await gate(this.#options)(request, new URL(request.url));
    if (access === undefined) return refusal(401, "Unauthorized");
    return this.#sockets.accept(access);
  }

  /** The engine has something to do, such as to let keys expire. A class with alarms of its own calls this too. */
  async alarm(): Promise<void> {
    this.#alarmAt = null;
    await this.#ready();
    this.redis.host.engine.wake();
    await this.redis.host.stored();
  }

  /** Called by the runtime: a message has come. */
  async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    await this.#ready();
    await this.#sockets.message(this.redis, socket, message);
  }

  /** Called by the runtime: a client has gone. */
  async webSocketClose(socket: WebSocket, code: number, reason: string): Promise<void> {
    await this.#sockets.closed(socket);
    try {
      socket.close(code, reason);
    } catch {
      // It is closed already, or with a code that nobody may send.
    }
  }

  /** Called by the runtime: a connection has failed. */
  async webSocketError(socket: WebSocket): Promise<void> {
    await this.#sockets.closed(socket);
  }

  /** Opens the instance again if it has been closed. */
  async #ready(): Promise<void> {
    for (;;) {
      const opening = this.#opening;
      await opening;
      if (!this.redis.host.isClosed()) return;
      // Whoever comes first opens it for all.
      if (this.#opening === opening) this.#opening = this.ctx.blockConcurrencyWhile(() => this.#open());
    }
  }

  async #open(): Promise<void> {
    const { ctx } = this;
    const store = objectStore(ctx.storage);
    const settings = settingsOf(ctx.id.name || ctx.id.toString(), { ...openOptions(this.#options), store });
    const loaded = await load(this.#source, this.#scripting);
    const host = new Host(loaded, settings);
    const self = new WeakRef(host);
    host.logListener = weakly(self);
    replace(ctx.id.toString(), self);
    host.engine.onAlarm = (at) => this.#wakeAt(at);
    this.#alarmAt = await ctx.storage.getAlarm();
    await host.open();
    const redis = new Redis(host);
    await this.#sockets.restore(redis);
    this.redis = redis;
    this.#handler = undefined;
    host.engine.wake();
  }

  /** Has the runtime call {@link alarm}. One that comes too early does no harm; the next is set then. */
  #wakeAt(at: number): void {
    const soon = Math.min(at, Date.now() + ALARM_MAX_MS);
    if (this.#alarmAt !== null && this.#alarmAt <= soon) return;
    this.#alarmAt = soon;
    this.ctx.storage.setAlarm(soon).catch(() => {
      if (this.#alarmAt === soon) this.#alarmAt = null;
    });
  }

  async #batch<T>(commands: readonly Words[], read: (reader: ReplyReader) => T): Promise<T> {
    if (!Array.isArray(commands) || !commands.every((words) => Array.isArray(words) && typeof words[0] === "string")) {
      throw new TypeError("commands are arrays of words, of which the first is a string");
    }
    await this.#ready();
    return this.redis.host.batch(
      (engine) => {
        for (const [name, ...args] of commands) engine.writeFlat(plain(name as string), args);
      },
      read,
      false,
      true,
    );
  }

  #run(commands: readonly Words[]): Promise<Reply[]> {
    if (Array.isArray(commands) && commands.length === 0) return Promise.resolve([]);
    return this.#batch(commands, (reader) => {
      const replies: Reply[] = [];
      while (reader.more) replies.push(reader.next(false));
      return replies;
    });
  }
}

/**
 * The instances of the isolate's objects. An object ends without a word, and its isolate lives on: nothing of the
 * module may hold what was its, which is then collected; at once, if the same object is there again.
 */
const instances = new Map<string, WeakRef<Host>>();

/** Remembers the instance of an object, and gives back the memory of the one before. */
function replace(id: string, host: WeakRef<Host>): void {
  instances.get(id)?.deref()?.abandon();
  instances.set(id, host);
  for (const [other, instance] of instances) {
    if (!instance.deref()) instances.delete(other);
  }
}

/** Tells an instance what becomes of its log, as long as somebody else holds it. */
function weakly(host: WeakRef<Host>): Host["logListener"] {
  return (type, value) => host.deref()?.onLog(type, value);
}

/**
 * What of the options of an object is for `open`.
 *
 * @throws TypeError for what is no option of an object.
 */
function openOptions(options: ObjectOptions): OpenOptions {
  const ofOpen: OpenOptions = { appendfsync: "always" };
  for (const [name, value] of Object.entries(options)) {
    if (OPEN_OPTIONS.some((known) => known === name)) Object.assign(ofOpen, { [name]: value });
    else if (!REST_OPTIONS.some((known) => known === name)) {
      throw new TypeError(`options: an object has no option "${name}"`);
    }
  }
  return ofOpen;
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
