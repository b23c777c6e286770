import { ClosedError, ReplyError } from "./errors.js";
import type { Redis } from "./redis.js";
import { type Access, type AccessOptions, gate } from "./rest/access.js";
import { Caller } from "./rest/caller.js";
import { messages } from "./rest/events.js";
import { resultOf, statusesIn64 } from "./rest/reply.js";
import { type Asked, readRequest, Refusal, type Streamed, type Words } from "./rest/request.js";
import type { Reply } from "./types.js";

export { type NodeRequest, type NodeResponse, toNodeListener } from "./rest/node.js";
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

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT"]);
/** The longest body that is taken, unless something else is said. */
export const REQUEST_MAX = 10 * 1024 * 1024;

/**
 * A handler of HTTP requests in the REST protocol of Upstash: `export default { fetch: rest(redis, …) }`
 * in Workers, Deno and Bun, `respondWith` in a service worker. Clients such as `@upstash/redis` need the
 * URL and the token, and nothing else. A function is called by the first request, where Workers can open.
 *
 * A command is an array of words in the body of a POST to `/`, or the path `/set/key/value?EX=60`; a body
 * is its last argument then, ahead of the query. `/pipeline` and `/multi-exec` take arrays of commands;
 * `/subscribe/channel`, `/psubscribe/pattern` and `/monitor` answer server-sent events. `Upstash-Encoding: base64`
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
  private readonly caller: Caller;

  constructor(
    private readonly redis: Redis,
    private readonly request: Request,
    access: Access,
  ) {
    const format = request.headers.get("upstash-response-format") ?? "json";
    if (format !== "json" && format !== "resp2") {
      throw new Refusal(400, "ERR Upstash-Response-Format is json or resp2");
    }
    this.inResp = format === "resp2";
    this.in64 = request.headers.get("upstash-encoding")?.toLowerCase() === "base64";
    if (this.inResp && this.in64) throw new Refusal(400, "ERR RESP2 is not encoded in base64");
    this.caller = new Caller(redis, access, this.in64, request.signal);
  }

  async to(asked: Asked): Promise<Response> {
    if ("names" in asked) return this.events(asked.kind, asked.names);
    const { kind, commands } = asked;
    this.caller.mustBeAllowed(commands);
    if (kind === "multi-exec") {
      const replies = await this.caller.transact(commands);
      return replies instanceof ReplyError ? this.one(replies) : this.list(replies);
    }
    if (this.inResp) return this.bytes(commands);
    const replies = await this.caller.run(commands);
    return kind === "command" ? this.one(replies[0]!) : this.list(replies);
  }

  private one(reply: Reply): Response {
    return jsonResponse(this.resultOf(reply), reply instanceof ReplyError ? 400 : 200);
  }

  private list(replies: readonly Reply[]): Response {
    return jsonResponse(`[${replies.map((reply) => this.resultOf(reply)).join(",")}]`, 200);
  }

  private resultOf(reply: Reply): string {
    return resultOf(this.in64 ? statusesIn64(reply) : reply);
  }

  private async bytes(commands: readonly Words[]): Promise<Response> {
    const bytes = await this.caller.bytes(commands);
    const failed = commands.length === 1 && bytes[0] === 0x2d; // -
    const headers = { "content-type": "application/octet-stream" };
    return new Response(bytes, { status: failed ? 400 : 200, headers });
  }

  private async events(kind: Streamed, names: readonly string[]): Promise<Response> {
    const { caller, redis, request } = this;
    await caller.mustBeAllowedToListen(kind, names);
    const stream = await messages(redis, kind, names, request.signal);
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
    return new Response(stream, { headers });
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
