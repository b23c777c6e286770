import type { ReplyReader } from "./boundary/reply.js";
import { plain } from "./commands.js";
import { ClosedError, ReplyError } from "./errors.js";
import type { Redis } from "./redis.js";
import { type Access, type AccessOptions, gate, mayRead } from "./rest/access.js";
import { messages } from "./rest/events.js";
import { resultOf, statusesIn64 } from "./rest/reply.js";
import { type Asked, readRequest, Refusal, type Words } from "./rest/request.js";
import type { Reply } from "./types.js";

export type { Access, AccessOptions };

/** Settings of a handler. */
export interface RestOptions extends AccessOptions {
  /** What the handler's URLs begin with, as `/redis`; nothing by default. */
  readonly path?: string;
  /** The longest body that is taken, in bytes: 10 MiB unless given. */
  readonly maxRequestBytes?: number;
  /** The origin whose pages may call it (`Access-Control-Allow-Origin`), or `*`: none unless given. */
  readonly cors?: string;
}

/** An open instance, or one that is being opened. */
export type Instance = Redis | Promise<Redis>;

/** Answers a request. */
export type RestHandler = (request: Request) => Promise<Response>;

const HELLO = plain("hello");
const MULTI = plain("multi");
const EXEC = plain("exec");
/** What changes the session that a request has, or has no single reply. */
const REFUSED: ReadonlySet<string> = new Set(
  "hello auth reset quit client monitor subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe sync psync"
    .split(" "),
);
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT"]);
const REQUEST_MAX = 10 * 1024 * 1024;

/**
 * A handler of HTTP requests in the REST protocol of Upstash: `export default { fetch: rest(redis, …) }`
 * in Workers, Deno and Bun, `respondWith` in a service worker. Clients such as `@upstash/redis` need the
 * URL and the token, and nothing else. A function is called by the first request, where Workers can open.
 *
 * A command is an array of words in the body of a POST to `/`, or the path `/set/key/value?EX=60`; a body
 * is its last argument then, ahead of the query. `/pipeline` and `/multi-exec` take arrays of commands;
 * `/subscribe/channel` and `/psubscribe/pattern` answer server-sent events. `Upstash-Encoding: base64`
 * asks for strings in base64, `Upstash-Response-Format: resp2` for the bytes of RESP2. Replies have the
 * shapes of RESP2. Every request has a session of its own, in the database of the instance; a command
 * that blocks holds its response until it is answered, or the request aborted.
 *
 * @throws TypeError if it is not said who may use it.
 */
export function rest(redis: Instance | (() => Instance), options: RestOptions): RestHandler {
  let instance = typeof redis === "function" ? undefined : redis;
  const { path = "", maxRequestBytes = REQUEST_MAX, cors } = options;
  const accessOf = gate(options);
  const prefix = path.replace(/\/+$/, "");
  const headers: Record<string, string> = cors === undefined ? {} : corsHeaders(cors);
  const answer = async (request: Request): Promise<Response> => {
    if (cors !== undefined && request.method === "OPTIONS") return new Response(null, { status: 204 });
    const url = new URL(request.url);
    if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) throw new Refusal(404, "ERR not found");
    if (!METHODS.has(request.method)) throw new Refusal(405, "ERR Method Not Allowed");
    const access = await accessOf(request, url);
    if (access === undefined) throw new Refusal(401, "Unauthorized");
    const asked = await readRequest(request, url, url.pathname.slice(prefix.length), maxRequestBytes);
    instance ??= (redis as () => Instance)();
    return new Answer(await instance, request, access).to(asked);
  };
  return async (request) => {
    const response = await answer(request).catch(failure);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return request.method === "HEAD" ? new Response(null, response) : response;
  };
}

/** The answer to one request. */
class Answer {
  private readonly in64: boolean;
  private readonly inResp: boolean;

  constructor(
    private readonly redis: Redis,
    private readonly request: Request,
    private readonly access: Access,
  ) {
    const format = request.headers.get("upstash-response-format") ?? "json";
    if (format !== "json" && format !== "resp2") {
      throw new Refusal(400, "ERR Upstash-Response-Format is json or resp2");
    }
    this.inResp = format === "resp2";
    this.in64 = request.headers.get("upstash-encoding")?.toLowerCase() === "base64";
    if (this.inResp && this.in64) throw new Refusal(400, "ERR RESP2 is not encoded in base64");
  }

  async to(asked: Asked): Promise<Response> {
    switch (asked.kind) {
      case "command": {
        this.mustBeAllowed(asked.words);
        if (this.inResp) return this.bytes([asked.words]);
        const [reply] = await this.run([asked.words]);
        return jsonResponse(resultOf(reply!), reply instanceof ReplyError ? 400 : 200);
      }
      case "pipeline": {
        asked.commands.forEach((words) => this.mustBeAllowed(words));
        if (this.inResp) return this.bytes(asked.commands);
        const replies = await this.run(asked.commands);
        return jsonResponse(`[${replies.map(resultOf).join(",")}]`, 200);
      }
      case "multi-exec": {
        asked.commands.forEach((words) => this.mustBeAllowed(words));
        const replies = await this.transact(asked.commands);
        if (replies instanceof ReplyError) return jsonResponse(resultOf(replies), 400);
        return jsonResponse(`[${replies.map(resultOf).join(",")}]`, 200);
      }
      default:
        return this.events(asked.kind, asked.names);
    }
  }

  /** Runs the commands one after the other; answers a reply for each. */
  private run(commands: readonly Words[]): Promise<Reply[]> {
    return this.batch(commands, (reader) => commands.map(() => this.next(reader)));
  }

  private transact(commands: readonly Words[]): Promise<Reply[] | ReplyError> {
    const whole: Words[] = [[MULTI.name], ...commands, [EXEC.name]];
    return this.batch(whole, (reader) => {
      const queued = [reader.next(false), ...commands.map(() => reader.next(false))];
      const replies = this.next(reader);
      if (Array.isArray(replies)) return replies as Reply[];
      // What was wrong says more than that something was.
      return (queued.find((reply) => reply instanceof ReplyError) ?? replies) as ReplyError;
    });
  }

  private next(reader: ReplyReader): Reply {
    const reply = reader.next(this.in64);
    return this.in64 ? statusesIn64(reply) : reply;
  }

  private async bytes(commands: readonly Words[]): Promise<Response> {
    const bytes = await this.batch(commands, (reader) => reader.rest());
    const failed = commands.length === 1 && bytes[0] === 0x2d; // -
    const headers = { "content-type": "application/octet-stream" };
    return new Response(bytes, { status: failed ? 400 : 200, headers });
  }

  /** Runs commands in a session of their own, which speaks RESP2. */
  private async batch<T>(commands: readonly Words[], read: (reader: ReplyReader) => T): Promise<T> {
    const { access, redis, request } = this;
    request.signal.throwIfAborted();
    const hello = typeof access === "string" ? [2] : [2, "AUTH", access.username, access.password];
    return redis.host.batch(
      (engine) => {
        engine.writeFlat(HELLO, hello);
        for (const [name, ...args] of commands) engine.writeFlat(plain(name), args);
      },
      (reader) => {
        const greeting = reader.next(false);
        if (greeting instanceof ReplyError) throw greeting;
        return read(reader);
      },
      false,
      true,
      request.signal,
    );
  }

  private mustBeAllowed(words: Words): void {
    const name = words[0].toLowerCase();
    if (REFUSED.has(name)) throw new Refusal(400, `ERR Command is not available: '${words[0]}'`);
    if (this.access === "read" && !mayRead(words)) {
      throw new Refusal(400, `NOPERM this token has no permissions to run the '${name}' command`);
    }
  }

  private async events(kind: "subscribe" | "psubscribe", names: readonly string[]): Promise<Response> {
    const { access, redis, request } = this;
    if (access === "read") throw new Refusal(400, `NOPERM this token has no permissions to run the '${kind}' command`);
    if (access !== "all") await this.probe([kind, ...names]);
    const stream = await messages(redis, kind, names, request.signal);
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
    return new Response(stream, { headers });
  }
  /** Throws what SUBSCRIBE answers to the user, who is not that of the instance. */
  private async probe(words: Words): Promise<void> {
    await this.batch([words], (reader) => {
      const reply = reader.next(false);
      if (reply instanceof ReplyError) throw reply;
    });
  }
}

function failure(error: unknown): Response {
  const text = error instanceof Error ? error.message : String(error);
  return jsonResponse(`{"error":${JSON.stringify(text)}}`, statusOf(error));
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof ClosedError) return 503;
  if (!(error instanceof ReplyError)) return 500;
  return error.code === "WRONGPASS" || error.code === "NOAUTH" ? 401 : 400;
}

function jsonResponse(json: string, status: number): Response {
  return new Response(json, { status, headers: { "content-type": "application/json" } });
}

function corsHeaders(origin: string): Record<string, string> {
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, HEAD, POST, PUT",
    "access-control-allow-headers": "*, authorization",
    "access-control-max-age": "86400",
  };
}
