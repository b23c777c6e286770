import type { ReplyReader } from "./boundary/reply.js";
import { type Command, find, flatten, install, mayBlock, splitSignal } from "./commands.js";
import type { Engine } from "./engine.js";
import { ReplyError } from "./errors.js";
import type { Commands } from "./generated/commands.js";
import type { Answer, Argument, Batched, Chained, Input, Reply } from "./types.js";

const MULTI = find("multi", undefined);
const EXEC = find("exec", undefined);

/** What a session remembers of these is lost to what is run in another one. */
const OF_SESSIONS: ReadonlySet<string> = new Set("auth discard exec hello multi reset select unwatch watch".split(" "));

/** Commands with their arguments. */
class Queue {
  readonly commands: Command[] = [];
  /** The arguments of each, flat. */
  readonly inputs: Argument[][] = [];
  /** What ends the wait of those that wait. */
  readonly signals = new Set<AbortSignal>();

  add(command: Command, args: Argument[]): void {
    this.commands.push(command);
    this.inputs.push(args);
  }

  get mayBlock(): boolean {
    return this.commands.some((command, index) => mayBlock(command, this.inputs[index]!));
  }

  /** The signal that is aborted, if one is. */
  get aborted(): AbortSignal | undefined {
    for (const signal of this.signals) if (signal.aborted) return signal;
    return undefined;
  }

  /** The same commands, in parts each of which ends with one that may wait. */
  parts(): Queue[] {
    const parts: Queue[] = [];
    let part = new Queue();
    for (const [index, command] of this.commands.entries()) {
      part.add(command, this.inputs[index]!);
      if (!mayBlock(command, this.inputs[index]!)) continue;
      parts.push(part);
      part = new Queue();
    }
    return part.commands.length > 0 ? [...parts, part] : parts;
  }
}

/** What takes the words of commands. */
export type Wire = Pick<Engine, "writeFlat" | "writeMany">;

/** What runs batches: an instance, or what stands for one that is elsewhere. */
export interface Runner {
  /** As `Host.batch`. */
  batch<T>(
    write: (wire: Wire) => void,
    read: (reader: ReplyReader) => T,
    readOnly: boolean,
    blocking?: boolean,
    signal?: AbortSignal,
  ): Promise<T>;
  /** As `Host.batchSync`. */
  batchSync<T>(write: (wire: Wire) => void, read: (reader: ReplyReader) => T): T;
}

/** What `exec()` answers: a reply for each command that was chained. */
export type Answers<R extends readonly unknown[]> = R extends readonly [] ? Reply[] : R;

/** Commands that are collected and sent in one crossing. */
abstract class Batch {
  protected queue = new Queue();

  /** @internal */
  constructor(
    protected readonly host: Runner,
    protected readonly binary: boolean,
  ) {}

  /** Forgets what was collected. */
  discard(): void {
    this.queue = new Queue();
  }

  /** How many commands have been collected. */
  get length(): number {
    return this.queue.commands.length;
  }

  /** @internal Adds a command; its arguments are taken as they are now. */
  add(command: Command, input: ArrayLike<Input>): this {
    const [words, signal] = command.blocking ? splitSignal(input) : [input];
    this.queue.add(command, flatten(command, words));
    if (signal) this.queue.signals.add(signal);
    return this;
  }

  protected take(): Queue {
    const { queue } = this;
    this.queue = new Queue();
    return queue;
  }
}

/**
 * Commands sent together, each for itself.
 * `R` are the answers to what was chained; `exec()` of one that was filled in statements of their own, and
 * whose type knows nothing of them, answers `Reply[]`. `K` is whether they come as text or as bytes.
 */
export interface Pipeline<R extends readonly unknown[] = Reply[], K = "text"> extends Commands<Batched<"pipeline", R, K>> {}
export class Pipeline<R extends readonly unknown[] = Reply[], K = "text"> extends Batch {
  /** Adds any command, as on the wire. */
  call(name: string, ...input: Input[]): Pipeline<Chained<R, Answer<K, Reply, Reply>>, K> {
    return this.add(find(name, input[0]), input) as never;
  }

  /**
   * Sends them; answers a reply for each, a `ReplyError` as a value where one failed. Rejects with the reason of
   * a command's `signal` if that is aborted before: what comes after the command that waits then, is not run.
   */
  exec(): Promise<Answers<R>> {
    const queue = this.take();
    if (queue.commands.length === 0) return Promise.resolve([] as never);
    return (queue.signals.size === 0 ? this.send(queue, queue.mayBlock) : this.sendParts(queue)) as Promise<Answers<R>>;
  }

  /** The same at once, where this context owns the data. */
  execSync(): Answers<R> {
    const queue = this.take();
    const { commands, inputs } = queue;
    if (commands.length === 0) return [] as never;
    queue.aborted?.throwIfAborted();
    return this.host.batchSync(
      (engine) => engine.writeMany(commands, inputs),
      (reader) => readMany(reader, commands.length, this.binary) as Answers<R>,
    );
  }

  private send({ commands, inputs }: Queue, blocking: boolean, signal?: AbortSignal): Promise<Reply[]> {
    return this.host.batch(
      (engine) => engine.writeMany(commands, inputs),
      (reader) => {
        const replies = readMany(reader, commands.length, this.binary);
        const last = replies.at(-1);
        if (signal?.aborted && last instanceof ReplyError && last.code === "UNBLOCKED") throw signal.reason;
        return replies;
      },
      commands.every(({ readOnly }) => readOnly),
      blocking,
      signal,
    );
  }

  /** Of what is on its way, all is run, whatever becomes of it: what waits is waited for before more is sent. */
  private async sendParts(queue: Queue): Promise<Reply[]> {
    const lost = queue.commands.find(({ name }) => OF_SESSIONS.has(name));
    if (lost) throw new TypeError(`${lost.name} cannot be in a pipeline with a signal`);
    const signals = [...queue.signals];
    const signal = signals.length === 1 ? signals[0]! : AbortSignal.any(signals);
    const replies: Reply[] = [];
    for (const part of queue.parts()) {
      signal.throwIfAborted();
      replies.push(...(await this.send(part, true, signal)));
    }
    return replies;
  }
}

/**
 * A transaction: all of its commands run, with no other in between, or none.
 * `R` are the answers to what was chained; `exec()` of one that was filled in statements of their own, and
 * whose type knows nothing of them, answers `Reply[]`. `K` is whether they come as text or as bytes.
 */
export interface Multi<R extends readonly unknown[] = Reply[], K = "text"> extends Commands<Batched<"multi", R, K>> {}
export class Multi<R extends readonly unknown[] = Reply[], K = "text"> extends Batch {
  /** Adds any command, as on the wire. */
  call(name: string, ...input: Input[]): Multi<Chained<R, Answer<K, Reply, Reply>>, K> {
    return this.add(find(name, input[0]), input) as never;
  }

  /**
   * Runs them; answers a reply for each, a `ReplyError` as a value where one failed, or null when
   * a key under WATCH was touched. Rejects with `EXECABORT` when one cannot even be queued. Nothing waits in it:
   * a `signal` that is aborted before has nothing run.
   */
  exec(): Promise<Answers<R> | null> {
    const queue = this.take();
    if (queue.aborted) return Promise.reject(queue.aborted.reason);
    const { commands, inputs } = transaction(queue);
    return this.host.batch(
      (engine) => engine.writeMany(commands, inputs),
      (reader) => readTransaction(reader, commands.length - 2, this.binary) as Answers<R> | null,
      false,
    );
  }

  /** The same at once, where this context owns the data. */
  execSync(): Answers<R> | null {
    const queue = this.take();
    queue.aborted?.throwIfAborted();
    const { commands, inputs } = transaction(queue);
    return this.host.batchSync(
      (engine) => engine.writeMany(commands, inputs),
      (reader) => readTransaction(reader, commands.length - 2, this.binary) as Answers<R> | null,
    );
  }
}

for (const prototype of [Pipeline.prototype as object, Multi.prototype as object]) {
  install(
    prototype,
    (command) =>
      function (this: Batch, ...input: Input[]) {
        return this.add(command, input);
      },
  );
}

function transaction(queue: Queue): Queue {
  queue.commands.unshift(MULTI);
  queue.inputs.unshift([]);
  queue.add(EXEC, []);
  return queue;
}

function readMany(reader: ReplyReader, count: number, binary: boolean): Reply[] {
  const replies: Reply[] = [reader.next(binary)];
  if (count > 1) orRefused(reader, replies[0]);
  for (let index = 1; index < count; index++) replies.push(reader.next(binary));
  return replies;
}

/** Throws the error that stands for all replies, since there is no memory for them. */
function orRefused(reader: ReplyReader, first: Reply | undefined): void {
  if (first instanceof ReplyError && !reader.more) throw first;
}

function readTransaction(reader: ReplyReader, commands: number, binary: boolean): Reply[] | null {
  const begun = reader.next(false);
  orRefused(reader, begun);
  let refused: ReplyError | undefined;
  for (let index = 0; index < commands; index++) {
    const queued = reader.next(false);
    if (queued instanceof ReplyError) refused ??= queued;
  }
  const replies = reader.next(binary);
  if (begun instanceof ReplyError) throw begun;
  if (replies instanceof ReplyError) {
    if (refused) replies.cause = refused;
    throw replies;
  }
  return replies as Reply[] | null;
}
