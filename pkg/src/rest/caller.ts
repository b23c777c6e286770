import type { ReplyReader } from "../boundary/reply.js";
import { plain } from "../commands.js";
import { ReplyError } from "../errors.js";
import type { Redis } from "../redis.js";
import type { Argument, Reply } from "../types.js";
import { type Access, mayRead } from "./access.js";
import { Refusal, type Words } from "./request.js";

const HELLO = plain("hello");
const MULTI = plain("multi");
const EXEC = plain("exec");
/** What changes the session that a request has, or has no single reply. */
const REFUSED: ReadonlySet<string> = new Set(
  "hello auth reset quit client monitor subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe sync psync"
    .split(" "),
);

/** Runs commands for somebody else: each batch of them in a session of its own, which speaks RESP2. */
export class Caller {
  /** `binary`: replies have bytes in place of text. */
  constructor(
    private readonly redis: Redis,
    private readonly access: Access,
    private readonly binary: boolean,
    private readonly signal?: AbortSignal,
  ) {}

  /** @throws Refusal if one of them is for nobody, or not for whom it is called. */
  mustBeAllowed(commands: readonly Words[]): void {
    for (const words of commands) {
      const name = words[0].toLowerCase();
      if (REFUSED.has(name)) throw new Refusal(400, `ERR Command is not available: '${words[0]}'`);
      if (this.access === "read" && !mayRead(words)) throw this.denied(name);
    }
  }

  /** @throws Refusal or ReplyError if messages are not for whom they are asked. */
  async mustBeAllowedToListen(command: string, names: readonly string[]): Promise<void> {
    if (this.access === "read") throw this.denied(command);
    if (this.access === "all") return;
    await this.batch([[command, ...names]], (reader) => {
      const reply = reader.next(false);
      if (reply instanceof ReplyError) throw reply;
    });
  }

  /** Runs the commands one after the other; answers a reply for each. */
  run(commands: readonly Words[]): Promise<Reply[]> {
    return this.batch(commands, (reader) => commands.map(() => reader.next(this.binary)));
  }

  /** Runs the commands as a transaction; answers a reply for each, or why it was not run. */
  transact(commands: readonly Words[]): Promise<Reply[] | ReplyError> {
    const whole: Words[] = [[MULTI.name], ...commands, [EXEC.name]];
    return this.batch(whole, (reader) => {
      const queued = [reader.next(false), ...commands.map(() => reader.next(false))];
      const replies = reader.next(this.binary);
      if (Array.isArray(replies)) return replies as Reply[];
      // What was wrong says more than that something was.
      return (queued.find((reply) => reply instanceof ReplyError) ?? replies) as ReplyError;
    });
  }

  /** Runs the commands; answers what they answer on the wire. */
  bytes(commands: readonly Words[]): Promise<Uint8Array<ArrayBuffer>> {
    return this.batch(commands, (reader) => reader.rest());
  }

  private denied(command: string): Refusal {
    return new Refusal(400, `NOPERM this token has no permissions to run the '${command}' command`);
  }

  private async batch<T>(commands: readonly Words[], read: (reader: ReplyReader) => T): Promise<T> {
    const { access, redis, signal } = this;
    signal?.throwIfAborted();
    const hello: Argument[] = typeof access === "string" ? [2] : [2, "AUTH", access.username, access.password];
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
      signal,
    );
  }
}
