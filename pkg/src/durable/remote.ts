import { Multi, Pipeline, type Runner, type Wire } from "../batch.js";
import { ReplyReader } from "../boundary/reply.js";
import { type Command, find, flatten, install, splitSignal } from "../commands.js";
import { orThrow, ReplyError } from "../errors.js";
import type { Commands } from "../generated/commands.js";
import type { Argument, Input, Reply } from "../types.js";

type Words = readonly Argument[];

/** What is used of the stub of an object of a class that extends `LodisObject`. */
export interface ObjectStub {
  /** Runs commands; answers their replies as RESP3. */
  exchange(commands: readonly Words[]): Promise<Uint8Array | string>;
}

/** A binding of such a class. */
export interface ObjectNamespace {
  /** The id of the object with this name. */
  idFromName(name: string): unknown;
  /** What stands for an object. */
  get(id: never): unknown;
}

/**
 * The commands of a Redis that is a Durable Object, for a Worker that has a binding to its class:
 * `lodisOf(env.REDIS, "room:1")`. Every call goes to the object, and has a session of its own there.
 */
export function lodisOf(namespace: ObjectNamespace, name: string): RemoteRedis;
/** The same for whoever has the stub of an object. */
export function lodisOf(stub: ObjectStub): RemoteRedis;
export function lodisOf(place: ObjectNamespace | ObjectStub, name?: string): RemoteRedis {
  if (name === undefined) return new RemoteRedis(new Remote(place as ObjectStub));
  if (name === "") throw new TypeError("lodisOf: the name of an object is not empty");
  const namespace = place as ObjectNamespace;
  return new RemoteRedis(new Remote(namespace.get(namespace.idFromName(name) as never) as ObjectStub));
}

/** Has an object run what is asked for. */
class Remote implements Runner {
  constructor(private readonly stub: ObjectStub) {}

  async batch<T>(
    write: (wire: Wire) => void,
    read: (reader: ReplyReader) => T,
    _readOnly: boolean,
    _blocking?: boolean,
    signal?: AbortSignal,
  ): Promise<T> {
    if (signal) throw new TypeError("a command that an object runs takes no signal");
    const commands: Words[] = [];
    const writeFlat = ({ index, name }: Command, args: ArrayLike<Input>): void => {
      commands.push([...(index < 0 ? [name] : name.split(" ")), ...(Array.from(args) as Argument[])]);
    };
    write({
      writeFlat,
      writeMany: (many, inputs) => many.forEach((command, index) => writeFlat(command, inputs[index]!)),
    });
    const replies = await this.stub.exchange(commands);
    if (typeof replies === "string") throw new ReplyError(replies);
    const reader = new ReplyReader();
    reader.begin(replies, 0, replies.length);
    return read(reader);
  }

  batchSync(): never {
    throw new TypeError("execSync: the object is elsewhere; call exec");
  }

  async call(command: Command, inputs: ArrayLike<Input>, binary: boolean): Promise<Reply> {
    const [words, signal] = splitSignal(inputs);
    const args = flatten(command, words);
    return this.batch(
      (wire) => wire.writeFlat(command, args),
      (reader) => orThrow(reader.next(binary)),
      command.readOnly,
      false,
      signal,
    );
  }
}

/** What both surfaces of a remote instance share; `K` is whether they answer text or bytes. */
abstract class RemoteSurface<K> {
  /** @internal */
  constructor(
    /** @internal */
    readonly remote: Remote,
    /** @internal */
    readonly binary: boolean,
  ) {}

  /** Any command, as on the wire. */
  async call(name: string, ...input: Input[]): Promise<Reply> {
    return this.remote.call(find(name, input[0]), input, this.binary);
  }

  /** A transaction: collect commands, then `exec()`. */
  multi(): Multi<[], K> {
    return new Multi<[], K>(this.remote, this.binary);
  }

  /** Commands that go together: collect them, then `exec()`. */
  pipeline(): Pipeline<[], K> {
    return new Pipeline<[], K>(this.remote, this.binary);
  }
}

/** Commands that a Durable Object answers. */
export interface RemoteRedis extends Commands<"promise"> {}
export class RemoteRedis extends RemoteSurface<"text"> {
  /** The same commands with bytes for text. */
  readonly bytes: RemoteBytes;

  /** @internal */
  constructor(remote: Remote) {
    super(remote, false);
    this.bytes = new RemoteBytes(remote, true);
  }
}

/** Commands that a Durable Object answers, with bytes for text. */
export interface RemoteBytes extends Commands<"promise bytes"> {}
export class RemoteBytes extends RemoteSurface<"bytes"> {}

for (const surface of [RemoteRedis, RemoteBytes] as const) {
  install(
    surface.prototype,
    (command) =>
      function (this: RemoteSurface<unknown>, ...input: Input[]) {
        return this.remote.call(command, input, this.binary);
      },
  );
}
