import type { ReplyReader } from "./boundary/reply.js";
import { type Command, find, flatten, install, mayBlock, plain } from "./commands.js";
import type { Engine } from "./engine.js";
import { ReplyError } from "./errors.js";
import type { Commands } from "./generated/commands.js";
import type { Host } from "./host.js";
import type { Argument, Input, Reply } from "./types.js";

const MULTI = plain("multi");
const EXEC = plain("exec");

/** Commands that are collected and sent in one crossing. */
abstract class Batch {
  protected queue: { command: Command; args: Argument[] }[] = [];

  constructor(
    protected readonly host: Host,
    protected readonly binary: boolean,
  ) {}

  /** Adds any command, as on the wire. */
  call(name: string, ...input: Input[]): this {
    return this.add(find(name, input[0]), input);
  }

  /** Forgets what was collected. */
  discard(): void {
    this.queue = [];
  }

  /** How many commands have been collected. */
  get length(): number {
    return this.queue.length;
  }

  /** Adds a command; its arguments are taken as they are now. */
  add(command: Command, input: ArrayLike<Input>): this {
    this.queue.push({ command, args: flatten(command, input) });
    return this;
  }

  protected take(): readonly { command: Command; args: Argument[] }[] {
    const queue = this.queue;
    this.queue = [];
    return queue;
  }
}

/** Commands sent together, each for itself. */
export interface Pipeline extends Commands<Pipeline> {}
export class Pipeline extends Batch {
  /** Sends them; answers a reply for each, a `ReplyError` as a value where one failed. */
  exec(): Promise<Reply[]> {
    const queue = this.take();
    if (queue.length === 0) return Promise.resolve([]);
    return this.host.batch(
      (engine) => writeAll(engine, queue),
      (reader) => queue.map(() => reader.next(this.binary)),
      queue.every(({ command }) => command.readOnly),
      queue.some(({ command, args }) => mayBlock(command, args)),
    );
  }

  /** The same at once, where this context owns the data. */
  execSync(): Reply[] {
    const queue = this.take();
    if (queue.length === 0) return [];
    return this.host.batchSync(
      (engine) => writeAll(engine, queue),
      (reader) => queue.map(() => reader.next(this.binary)),
    );
  }
}

/** A transaction: all of its commands run, with no other in between, or none. */
export interface Multi extends Commands<Multi> {}
export class Multi extends Batch {
  /**
   * Runs them; answers a reply for each, a `ReplyError` as a value where one failed, or null when
   * a key under WATCH was touched. Rejects with `EXECABORT` when one cannot even be queued.
   */
  exec(): Promise<Reply[] | null> {
    const queue = this.take();
    return this.host.batch(
      (engine) => writeTransaction(engine, queue),
      (reader) => readTransaction(reader, queue.length, this.binary),
      false,
    );
  }

  /** The same at once, where this context owns the data. */
  execSync(): Reply[] | null {
    const queue = this.take();
    return this.host.batchSync(
      (engine) => writeTransaction(engine, queue),
      (reader) => readTransaction(reader, queue.length, this.binary),
    );
  }
}

for (const batch of [Pipeline, Multi]) {
  install(
    batch.prototype,
    (command) =>
      function (this: Batch, ...input: Input[]) {
        return this.add(command, input);
      },
  );
}

type Queue = readonly { command: Command; args: Argument[] }[];

function writeAll(engine: Engine, queue: Queue): void {
  for (const { command, args } of queue) engine.writeFlat(command, args);
}

function writeTransaction(engine: Engine, queue: Queue): void {
  engine.writeFlat(MULTI, []);
  writeAll(engine, queue);
  engine.writeFlat(EXEC, []);
}

function readTransaction(reader: ReplyReader, commands: number, binary: boolean): Reply[] | null {
  const begun = reader.next(false);
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
