// The REST API of Upstash beside a server: what `lodis/rest` answers, over the server's engine.
import { createServer, type Server } from "node:http";
import { Blocking } from "../blocking.js";
import type { ReplyReader } from "../boundary/reply.js";
import { plain } from "../commands.js";
import type { Durability } from "../durability.js";
import type { Engine } from "../engine.js";
import { ReplyError } from "../errors.js";
import type { Redis } from "../redis.js";
import { readUnlessAborted, whileNotAborted } from "../requests.js";
import { rest, type RestHandler, toNodeListener } from "../rest.js";
import { changeOf, type Listener, type Space, Subscriptions } from "../subscribe.js";
import type { ServedEngine } from "./engine.js";

/** A user and its password, by which a token is known. */
interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * A server of HTTP, which does not listen yet. A token is the password of the user `default`, or a name and a
 * password with a colon between them; without a password, none is needed.
 */
export function restServer(engine: ServedEngine, durability: () => Durability | undefined): Server {
  const blocking = new Blocking(engine);
  const handler: RestHandler = (request) => {
    const caller = new HttpCaller(engine, blocking, durability);
    const authenticate = (token: string): Credentials => (caller.credentials = credentialsOf(engine, token));
    // Of an instance, that is all that is called.
    return rest(caller as unknown as Redis, { anyone: engine.isOpen(), authenticate })(request);
  };
  return createServer(toNodeListener(handler));
}

function credentialsOf(engine: ServedEngine, token: string): Credentials {
  const colon = token.indexOf(":");
  if (colon < 0 || token === engine.lodis.setting("requirepass")) return { username: "default", password: token };
  return { username: token.slice(0, colon), password: token.slice(colon + 1) };
}

const HELLO = plain("hello");

/** What a request calls: sessions of the server's engine. */
class HttpCaller {
  /** Who calls, if that had to be said. */
  credentials: Credentials | undefined;
  /** Where `rest` looks for `batch`. */
  readonly host = this;

  constructor(
    private readonly engine: Engine,
    private readonly blocking: Blocking,
    private readonly durability: () => Durability | undefined,
  ) {}

  /** As that of an instance, in a session of its own, in which commands may block. */
  async batch<T>(
    write: (engine: Engine) => void,
    read: (reader: ReplyReader) => T,
    _readOnly: boolean,
    _blocking: boolean,
    signal?: AbortSignal,
  ): Promise<T> {
    const { blocking, durability, engine } = this;
    const session = engine.connect(() => {});
    engine.writer.begin(true);
    write(engine);
    const call = blocking.run(session);
    engine.disconnect(session);
    const bytes = await whileNotAborted(call.replies, signal, call.cancel);
    const { reader } = engine;
    reader.begin(bytes, 0, bytes.length);
    const result = readUnlessAborted(read, signal)(reader);
    await durability()?.pending();
    return result;
  }

  subscribe(names: readonly string[], listener: Listener<string>): Promise<() => Promise<void>> {
    return this.listen("channel", names, listener);
  }

  psubscribe(names: readonly string[], listener: Listener<string>): Promise<() => Promise<void>> {
    return this.listen("pattern", names, listener);
  }

  monitor(listener: Listener<string>): Promise<() => Promise<void>> {
    return this.listen("monitor", [""], listener);
  }

  private async listen(space: Space, names: readonly string[], listener: Listener<string>): Promise<() => Promise<void>> {
    const { credentials, engine } = this;
    const subscriptions = new Subscriptions(() => {});
    for (const name of names) subscriptions.add(space, name, { listener, binary: false });
    const stop = async (): Promise<void> => {
      subscriptions.clear();
      engine.disconnect(session);
    };
    const session = engine.connect((messages, over) => {
      subscriptions.receive(messages);
      if (over) void stop();
    });
    engine.writer.begin(true);
    const { username, password } = credentials ?? {};
    engine.writeFlat(HELLO, username === undefined ? [3] : [3, "AUTH", username, password!]);
    for (const name of names) engine.writeFlat(...changeOf(space, name, true));
    engine.run(session);
    const replies: unknown[] = [];
    while (engine.reader.more) replies.push(engine.reader.next(false));
    engine.settle();
    const refused = replies.find((reply) => reply instanceof ReplyError);
    if (refused === undefined) return stop;
    await stop();
    throw refused;
  }
}
