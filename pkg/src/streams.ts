import { find, signalOf } from "./commands.js";
import { LostError, ReplyError } from "./errors.js";
import type { Host } from "./host.js";
import { text } from "./iterators.js";
import type { Argument, Input, Waiting } from "./types.js";

/** An entry of a stream, as it was added; a value is bytes on the surface of bytes. */
export interface StreamMessage<Value = string> {
  /** The key of the stream. */
  readonly stream: string;
  /** Its id: `1700000000000-0`. */
  readonly id: string;
  /** The last value of every field. */
  readonly fields: { readonly [name: string]: Value };
}

/** An entry that a consumer of a group was given. */
export interface Delivery<Value = string> extends StreamMessage<Value> {
  /** How many times it was given to a consumer, this time included. */
  readonly deliveries: number;
  /** It is done with: nobody is given it again. Whether it was not acknowledged before. */
  ack(): Promise<boolean>;
}

/** How streams are read. */
export interface StreamReadOptions extends Waiting {
  /** The id after which to begin; `"$"`, the default, for what is added from the first `next()` on, `0` for all. */
  readonly from?: Argument | undefined;
  /** At most so many entries of a stream are fetched at a time; 100 unless told otherwise. */
  readonly count?: number | undefined;
  /** One call waits for so many milliseconds before it is made anew; 0, the default, for as long as it takes. */
  readonly block?: number | undefined;
}

/** How a group's streams are consumed. */
export interface ConsumeOptions extends StreamReadOptions {
  /** The name of the group. */
  readonly group: string;
  /** The name of this consumer, which no other should have at the same time. */
  readonly consumer: string;
  /** The id after which a group begins that is not there yet; `0`, the default, for all there is, `"$"` for what is new. */
  readonly from?: Argument | undefined;
  /** Entries that another consumer has not acknowledged for so many milliseconds are taken over from it. */
  readonly minIdle?: number | undefined;
  /** Entries count as acknowledged when they are given out: one that is given to nobody is lost. */
  readonly noAck?: boolean | undefined;
  /** Unless it is false, streams and groups that are not there are made, also when they are deleted meanwhile. */
  readonly createGroup?: boolean | undefined;
}

/** Runs a command whose reply has bytes for text. */
type Run = (name: string, ...input: Input[]) => Promise<unknown>;

type Fields = readonly Uint8Array[] | null;
type Found = readonly [id: Uint8Array, fields: Fields, idle?: number, deliveries?: number];
/** The entries of every stream. */
type Streams = { readonly [stream: string]: readonly Found[] };

const COUNT = 100;

/** Entries that are added to streams. */
export function readStream(
  host: Host,
  binary: boolean,
  streams: string | readonly string[],
  options: StreamReadOptions = {},
): AsyncGenerator<StreamMessage<never>, void, undefined> {
  const keys = checked("readStream", streams, options);
  return stoppable(options.signal, (signal) => read(runIn(host), keys, options, signal, binary));
}

/** Entries that a consumer of a group is given. */
export function consume(
  host: Host,
  binary: boolean,
  streams: string | readonly string[],
  options: ConsumeOptions,
): AsyncGenerator<Delivery<never>, void, undefined> {
  const keys = checked("consume", streams, options);
  for (const name of ["group", "consumer"] as const) {
    if (typeof options[name] !== "string") throw new TypeError(`consume: ${name} is a string`);
  }
  const consumer = new Consumer(runIn(host), keys, options, binary);
  return stoppable(options.signal, (signal) => consumer.entries(signal));
}

function runIn(host: Host): Run {
  return async (name, ...input) => host.call(find(name, input[0]), input, true);
}

function checked(method: string, streams: unknown, options: StreamReadOptions): string[] {
  const keys = typeof streams === "string" ? [streams] : Array.isArray(streams) ? [...new Set(streams)] : [];
  if (keys.length === 0 || keys.some((key) => typeof key !== "string")) {
    throw new TypeError(`${method}: a stream is a string, several are an array of strings`);
  }
  if (typeof options !== "object" || options === null) throw new TypeError(`${method}: the options are missing`);
  for (const name of ["count", "block", "minIdle"] as const) {
    const value = (options as ConsumeOptions)[name];
    const least = name === "count" ? 1 : 0;
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      throw new TypeError(`${method}: ${name} is a whole number from ${least} on`);
    }
  }
  signalOf(options);
  return keys as string[];
}

async function* read(
  run: Run,
  streams: readonly string[],
  { from = "$", count = COUNT, block = 0 }: StreamReadOptions,
  signal: AbortSignal,
  binary: boolean,
): AsyncGenerator<StreamMessage<never>, void, undefined> {
  const after = new Map<string, Argument>();
  for (const stream of streams) {
    // `$` of a later call would be another moment.
    const [last] = from === "$" ? ((await run("xrevrange", stream, "+", "-", "COUNT", 1)) as Found[]) : [];
    after.set(stream, from !== "$" ? from : (last?.[0] ?? "0-0"));
  }
  for (;;) {
    signal.throwIfAborted();
    const words = ["COUNT", count, "BLOCK", block, "STREAMS", ...after.keys(), ...after.values()];
    const found = (await again(() => run("xread", ...words, { signal }))) as Streams | null | undefined;
    for (const [stream, entries] of Object.entries(found ?? {})) {
      for (const [id, fields] of entries) {
        signal.throwIfAborted();
        after.set(stream, id);
        yield { stream, id: text(id), fields: named(fields!, binary) };
      }
    }
  }
}

/** Nothing if it is not known what became of the call. */
async function again<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof LostError) return undefined;
    throw error;
  }
}

class Consumer {
  /** Where reading again what was given out before has come to; nothing once there is no more. */
  private history: Map<string, Argument> | undefined;
  /** What this iteration has given out and was not acknowledged. */
  private readonly given = new Set<string>();
  private groupsAreThere: boolean;

  constructor(
    private readonly run: Run,
    private readonly streams: readonly string[],
    private readonly options: ConsumeOptions,
    private readonly binary: boolean,
  ) {
    this.groupsAreThere = options.createGroup === false;
    this.lookBack();
  }

  async *entries(signal: AbortSignal): AsyncGenerator<Delivery<never>, void, undefined> {
    for (;;) {
      signal.throwIfAborted();
      for (const delivery of await this.next(signal)) {
        signal.throwIfAborted();
        this.given.add(`${delivery.stream} ${delivery.id}`);
        yield delivery;
      }
    }
  }

  private lookBack(): void {
    this.history = this.options.noAck ? undefined : new Map(this.streams.map((stream) => [stream, "0"]));
  }

  private async next(signal: AbortSignal): Promise<Delivery<never>[]> {
    try {
      await this.createGroups();
      return await (this.history ? this.before(this.history) : this.fresh(signal));
    } catch (error) {
      // What was given out by a call of which nobody knows, waits in the history.
      if (error instanceof LostError) this.lookBack();
      // The stream or the group was deleted.
      else if (this.options.createGroup !== false && isCode(error, "NOGROUP", "UNBLOCKED")) this.groupsAreThere = false;
      else throw error;
      return [];
    }
  }

  private async createGroups(): Promise<void> {
    if (this.groupsAreThere) return;
    const { group, from = "0" } = this.options;
    for (const stream of this.streams) {
      await this.run("xgroup", "CREATE", stream, group, from, "MKSTREAM").catch((error: unknown) => {
        if (!isCode(error, "BUSYGROUP")) throw error;
      });
    }
    this.groupsAreThere = true;
  }

  /** What this consumer was given before and has not acknowledged. */
  private async before(history: Map<string, Argument>): Promise<Delivery<never>[]> {
    const { group, consumer, count = COUNT } = this.options;
    const words = ["GROUP", group, consumer, "COUNT", count, "STREAMS", ...history.keys(), ...history.values()];
    const found = (await this.run("xreadgroup", ...words)) as Streams | null;
    const deliveries: Delivery<never>[] = [];
    for (const [stream, entries] of Object.entries(found ?? {})) {
      const [first, last] = [entries[0]?.[0], entries.at(-1)?.[0]];
      if (!first || !last) continue;
      history.set(stream, last);
      const pending = await this.run("xpending", stream, group, first, last, count, consumer);
      const counts = new Map((pending as [Uint8Array, Uint8Array, number, number][]).map((each) => [text(each[0]), each[3]]));
      for (const [id, fields] of entries) {
        const name = text(id);
        // It was deleted, and there is nothing to do.
        if (fields === null) await this.run("xack", stream, group, id);
        else if (!this.given.has(`${stream} ${name}`)) deliveries.push(this.delivery(stream, name, fields, counts.get(name) ?? 1));
      }
    }
    if (Object.values(found ?? {}).every((entries) => entries.length === 0)) this.history = undefined;
    return deliveries;
  }

  /** What nobody was given, and what others have not acknowledged for long. */
  private async fresh(signal: AbortSignal): Promise<Delivery<never>[]> {
    const { group, consumer, count = COUNT, block = 0, minIdle, noAck } = this.options;
    const words: Input[] = ["GROUP", group, consumer, "COUNT", count, "BLOCK", block];
    if (minIdle !== undefined) words.push("CLAIM", minIdle);
    if (noAck) words.push("NOACK");
    words.push("STREAMS", [...this.streams], this.streams.map(() => ">"), { signal });
    const found = (await this.run("xreadgroup", ...words)) as Streams | null;
    return Object.entries(found ?? {}).flatMap(([stream, entries]) =>
      entries.map(([id, fields, , before = 0]) => this.delivery(stream, text(id), fields!, before + 1)),
    );
  }

  private delivery(stream: string, id: string, fields: NonNullable<Fields>, deliveries: number): Delivery<never> {
    const ack = async (): Promise<boolean> => {
      const count = await this.run("xack", stream, this.options.group, id);
      this.given.delete(`${stream} ${id}`);
      return count === 1;
    };
    return { stream, id, fields: named(fields, this.binary), deliveries, ack };
  }
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof ReplyError && codes.includes(error.code);
}

function named(fields: readonly Uint8Array[], binary: boolean): { [name: string]: never } {
  const pairs: [string, unknown][] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1]!;
    pairs.push([text(fields[index]), binary ? value : text(value)]);
  }
  return Object.fromEntries(pairs) as { [name: string]: never };
}

/**
 * A generator whose end does not wait for what it waits for: a generator's own `return` is heard only when it
 * comes to its next `yield`.
 */
function stoppable<T>(
  outer: AbortSignal | undefined,
  make: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const stop = new AbortController();
  const generator = make(stop.signal);
  const abort = (): void => stop.abort(outer?.reason);
  if (outer?.aborted) abort();
  else outer?.addEventListener("abort", abort);
  let isOver = false;
  const end = (): void => {
    isOver = true;
    outer?.removeEventListener("abort", abort);
    stop.abort();
  };
  const step = async (go: () => Promise<IteratorResult<T, void>>): Promise<IteratorResult<T, void>> => {
    try {
      const result = await go();
      if (result.done) end();
      return result;
    } catch (error) {
      if (isOver) return { done: true, value: undefined };
      end();
      throw error;
    }
  };
  return {
    next: () => step(() => generator.next()),
    return: async () => {
      end();
      await generator.return();
      return { done: true, value: undefined };
    },
    throw: (error) => step(() => generator.throw(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await this.return(undefined);
    },
  };
}
