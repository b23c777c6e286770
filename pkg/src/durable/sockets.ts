import type { Stop } from "../listening.js";
import { ReplyError } from "../errors.js";
import type { Redis } from "../redis.js";
import type { Access } from "../rest/access.js";
import { Caller } from "../rest/caller.js";
import { resultOf } from "../rest/reply.js";
import { Refusal, type Words, wordsOf } from "../rest/request.js";

/** What a WebSocket keeps of itself while the object sleeps. */
interface Attachment {
  readonly access: Access;
  /** What it has subscribed to. */
  readonly channels: readonly string[];
  readonly patterns: readonly string[];
}

type Kind = "channels" | "patterns";

/** The commands that are the socket's own, and what they change. */
const CHANGES: ReadonlyMap<string, readonly [Kind, boolean]> = new Map([
  ["subscribe", ["channels", true]],
  ["psubscribe", ["patterns", true]],
  ["unsubscribe", ["channels", false]],
  ["punsubscribe", ["patterns", false]],
]);

/**
 * WebSockets that outlive the object's sleep. A message is a command in JSON: an array of words, or
 * `{ "id": …, "command": […] }`, which is answered by `{ "id": …, "result": … }` or `"error"`. What was
 * subscribed to comes as an array, as in RESP.
 */
export class Sockets {
  private readonly stops = new Map<WebSocket, Map<string, Stop>>();
  /** Settles when the subscriptions that a socket has asked for are as asked. */
  private readonly turns = new WeakMap<WebSocket, Promise<unknown>>();

  constructor(
    private readonly ctx: DurableObjectState,
    private readonly maxBytes: number,
  ) {}

  /** The answer to a request for a WebSocket. */
  accept(access: Access): Response {
    const pair = new WebSocketPair();
    this.ctx.acceptWebSocket(pair[1]);
    pair[1].serializeAttachment({ access, channels: [], patterns: [] } satisfies Attachment);
    return new Response(null, { status: 101, webSocket: pair[0] } as ResponseInit);
  }

  /** The object has been opened anew: listens again to what its sockets had subscribed to. */
  async restore(redis: Redis): Promise<void> {
    this.stops.clear();
    for (const socket of this.ctx.getWebSockets()) {
      const { channels, patterns } = attached(socket);
      for (const name of channels) await this.listen(redis, socket, "channels", name);
      for (const name of patterns) await this.listen(redis, socket, "patterns", name);
    }
  }

  /** A socket has sent something. */
  async message(redis: Redis, socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    let id = "";
    let answer: string;
    try {
      const asked = parsed(message, this.maxBytes);
      if ("id" in asked) id = `"id":${JSON.stringify(asked.id ?? null)},`;
      answer = await this.answer(redis, socket, wordsOf(asked.command));
    } catch (error) {
      answer = resultOf(new ReplyError(error instanceof Error ? error.message : String(error)));
    }
    send(socket, `{${id}${answer.slice(1)}`);
  }

  /** A socket is closed. */
  async closed(socket: WebSocket): Promise<void> {
    const stops = [...(this.stops.get(socket)?.values() ?? [])];
    this.stops.delete(socket);
    await Promise.all(stops.map((stop) => stop()));
  }

  private async answer(redis: Redis, socket: WebSocket, words: Words): Promise<string> {
    const [name, ...args] = words;
    const caller = new Caller(redis, attached(socket).access, false);
    const change = CHANGES.get(name.toLowerCase());
    if (!change) {
      caller.mustBeAllowed([words]);
      const [reply] = await caller.run([words]);
      return resultOf(reply!);
    }
    const [kind, on] = change;
    if (on && args.length === 0) throw new Refusal(400, `ERR wrong number of arguments for '${name.toLowerCase()}' command`);
    const turn = (this.turns.get(socket) ?? Promise.resolve()).then(async () => {
      if (on) await caller.mustBeAllowedToListen(name, args as string[]);
      await this.change(redis, socket, kind, on, args as string[]);
    });
    this.turns.set(socket, turn.catch(() => {}));
    await turn;
    const { channels, patterns } = attached(socket);
    return resultOf(channels.length + patterns.length);
  }

  /** Changes what a socket has subscribed to; all of it if it ends with no names. */
  private async change(redis: Redis, socket: WebSocket, kind: Kind, on: boolean, names: readonly string[]): Promise<void> {
    const before = attached(socket);
    const known = new Set(before[kind]);
    const changed = new Set(on || names.length > 0 ? names : known);
    for (const name of changed) {
      if (on) known.add(name);
      else known.delete(name);
    }
    try {
      socket.serializeAttachment({ ...before, [kind]: [...known] });
    } catch {
      throw new Refusal(400, "ERR a WebSocket cannot remember so many subscriptions");
    }
    for (const name of changed) {
      if (on) await this.listen(redis, socket, kind, name);
      else await this.stop(socket, kind, name);
    }
  }

  private async listen(redis: Redis, socket: WebSocket, kind: Kind, name: string): Promise<void> {
    let stops = this.stops.get(socket);
    if (!stops) this.stops.set(socket, (stops = new Map()));
    const key = `${kind}:${name}`;
    if (stops.has(key)) return;
    const stop =
      kind === "channels"
        ? await redis.subscribe(name, (message, channel) => send(socket, JSON.stringify(["message", channel, message])))
        : await redis.psubscribe(name, (message, channel) =>
            send(socket, JSON.stringify(["pmessage", name, channel, message])),
          );
    stops.set(key, stop);
    // It may have been closed meanwhile.
    if (this.stops.get(socket) !== stops) await stop();
  }

  private async stop(socket: WebSocket, kind: Kind, name: string): Promise<void> {
    const stops = this.stops.get(socket);
    const stop = stops?.get(`${kind}:${name}`);
    stops?.delete(`${kind}:${name}`);
    await stop?.();
  }
}

function attached(socket: WebSocket): Attachment {
  return socket.deserializeAttachment() as Attachment;
}

/** What a message asks for. */
function parsed(message: string | ArrayBuffer, maxBytes: number): { command: unknown; id?: unknown } {
  if (typeof message !== "string") throw new Refusal(400, "ERR a message is a command in JSON, as text");
  if (message.length > maxBytes) throw new Refusal(413, `ERR max request size exceeded. Limit: ${maxBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    throw new Refusal(400, "ERR failed to parse the message: it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { command: value };
  return value as { command: unknown; id?: unknown };
}

function send(socket: WebSocket, text: string): void {
  try {
    socket.send(text);
  } catch {
    // It has been closed, which is told elsewhere.
  }
}
