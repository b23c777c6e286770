import type { Hint } from "./boundary/wasm.js";
import { Atomic } from "./atomic.js";
import { Multi, Pipeline } from "./batch.js";
import { find, flatten, install, mayBlock, signalOf, splitSignal } from "./commands.js";
import type { Persistence } from "./durability.js";
import type { FileOptions, Imported, ImportOptions, ImportSource } from "./file-port.js";
import type { Commands } from "./generated/commands.js";
import { type LiveMethod, liveMethod } from "./live.js";
import { GET, type Host, type InstanceEvents, type Role } from "./host.js";
import { type FieldScanOptions, type KeyScanOptions, scanned, type ScannedField, type ScanOptions } from "./iterators.js";
import type { Stop } from "./listening.js";
import { type StorageState, storageState } from "./storage.js";
import { type ConsumeOptions, consume, type Delivery, readStream, type StreamMessage, type StreamReadOptions } from "./streams.js";
import type { Entry, Listener, Space } from "./subscribe.js";
import type { Argument, Input, Reply, Waiting } from "./types.js";
import type { UpstreamOptions } from "./upstream/options.js";
import type { Upstream } from "./upstream/upstream.js";

/** What all surfaces of an instance share; `K` is whether they answer text or bytes. */
abstract class Surface<K> {
  /** @internal */
  readonly host: Host;
  /** @internal */
  readonly binary: boolean;

  /** @internal */
  constructor(host: Host, binary: boolean) {
    this.host = host;
    this.binary = binary;
  }

  /**
   * A transaction: collect commands, then `exec()`.
   *
   * @example
   * ```ts
   * const replies = await redis.multi().set("a", 1).incr("a").exec(); // ["OK", 2]
   * await redis.watch("a"); // "OK"
   * await redis.set("a", 5);
   * await redis.multi().get("a").exec(); // null
   * ```
   */
  multi(): Multi<[], K> {
    return new Multi<[], K>(this.host, this.binary);
  }

  /**
   * Commands that cross together: collect them, then `exec()`.
   *
   * @example
   * ```ts
   * const [done, count, failed] = await redis.pipeline().set("a", "b").strLen("a").incr("a").exec();
   * [done, count]; // ["OK", 1]
   * failed instanceof Error; // true
   * ```
   */
  pipeline(): Pipeline<[], K> {
    return new Pipeline<[], K>(this.host, this.binary);
  }
}

/** Commands whose replies come in the same tick; see {@link Redis.sync}. */
export interface SyncRedis extends Commands<"sync"> {}
export class SyncRedis extends Surface<"text"> {
  /** The same commands with bytes for text. */
  readonly bytes: SyncBytesRedis;

  /** @internal */
  constructor(host: Host) {
    super(host, false);
    this.bytes = new SyncBytesRedis(host);
  }

  /**
   * `GET`: Returns the string value of a key. One that was read before, and has not changed, costs no crossing
   * to the engine.
   */
  get(key: Argument): string | null {
    const known = arguments.length === 1 ? this.host.engine.cache.get(key) : undefined;
    if (known !== undefined) return known;
    return this.host.callSync(GET, arguments, false) as string | null;
  }

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.host.callSync(find(name, input[0]), input, false);
  }
}

/** Commands in the same tick, with bytes for text. */
export interface SyncBytesRedis extends Commands<"sync bytes"> {}
export class SyncBytesRedis extends Surface<"bytes"> {
  /** @internal */
  constructor(host: Host) {
    super(host, true);
  }

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.host.callSync(find(name, input[0]), input, true);
  }
}

/** A message, as a surface gives it. */
type Message<K> = K extends "bytes" ? Uint8Array : string;

/** Subscriptions, and commands that answer promises. */
abstract class AsyncSurface<K> extends Surface<K> {
  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Promise<Reply> {
    try {
      return this.host.call(find(name, input[0]), input, this.binary);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Calls `listener` for every message on the channels, until the answered function is called or the `signal`
   * of `options` is aborted.
   *
   * @example
   * ```ts
   * const heard: string[] = [];
   * {
   *   await using stop = await redis.subscribe(["news", "sports"], (message, channel) => heard.push(`${channel}: ${message}`));
   *   await redis.publish("news", "hello"); // 1
   * }
   * await redis.publish("news", "nobody hears this"); // 0
   * ```
   */
  subscribe(
    channels: string | readonly string[],
    listener: Listener<Message<K>>,
    options?: Waiting,
  ): Promise<Stop> {
    return this.listen("channel", channels, listener, options);
  }

  /**
   * Calls `listener` for every message on a channel that matches a glob pattern.
   *
   * @example
   * ```ts
   * const abort = new AbortController();
   * await redis.pSubscribe("user:*", (message, channel, pattern) => console.log(message, channel, pattern), { signal: abort.signal });
   * await redis.publish("user:1", "hello"); // 1
   * abort.abort();
   * await redis.publish("user:1", "hello"); // 0
   * ```
   */
  pSubscribe(
    patterns: string | readonly string[],
    listener: Listener<Message<K>>,
    options?: Waiting,
  ): Promise<Stop> {
    return this.listen("pattern", patterns, listener, options);
  }

  /** Calls `listener` for every message of SPUBLISH on the shard channels. */
  sSubscribe(
    channels: string | readonly string[],
    listener: Listener<Message<K>>,
    options?: Waiting,
  ): Promise<Stop> {
    return this.listen("shard", channels, listener, options);
  }

  /** The same as {@link pSubscribe}. */
  psubscribe(
    patterns: string | readonly string[],
    listener: Listener<Message<K>>,
    options?: Waiting,
  ): Promise<Stop> {
    return this.pSubscribe(patterns, listener, options);
  }

  /** The same as {@link sSubscribe}. */
  ssubscribe(
    channels: string | readonly string[],
    listener: Listener<Message<K>>,
    options?: Waiting,
  ): Promise<Stop> {
    return this.sSubscribe(channels, listener, options);
  }

  /**
   * Calls `listener` with a line for every command that is run, as MONITOR shows it, until the answered
   * function is called. Among tabs it is shown what the tab that leads runs: not what others read of their
   * own copies.
   *
   * @example
   * ```ts
   * const lines: string[] = [];
   * const stop = await redis.monitor((line) => lines.push(line));
   * await redis.set("a", 1);
   * await stop();
   * ```
   */
  monitor(listener: (line: Message<K>) => void, options?: Waiting): Promise<Stop> {
    return this.listen("monitor", [""], listener, options);
  }

  /**
   * The keys of the database, one by one, as SCAN gives them: what is there all the while comes at least once,
   * perhaps more than once. Nothing is held up, and what was fetched is a page of about `COUNT` keys.
   *
   * @example
   * ```ts
   * await redis.mSet({ "user:1": "Ada", "user:2": "Bob", other: "" });
   * const names: string[] = [];
   * for await (const key of redis.scanIterator({ MATCH: "user:*", TYPE: "string" })) names.push(key);
   * names.sort(); // ["user:1", "user:2"]
   * ```
   */
  scanIterator(options?: KeyScanOptions): AsyncGenerator<Message<K>, void, undefined> {
    return scanned(this.host, this.binary, "scan", [], options);
  }

  /**
   * The fields of a hash with their values, one by one, as HSCAN gives them.
   *
   * @example
   * ```ts
   * await redis.hSet("user:1", { name: "Ada" });
   * for await (const [field, value] of redis.hScanIterator("user:1")) console.log(field, value);
   * for await (const field of redis.hScanIterator("user:1", { NOVALUES: true })) console.log(field);
   * ```
   */
  hScanIterator<const O extends FieldScanOptions = {}>(
    key: Argument,
    options?: O,
  ): AsyncGenerator<ScannedField<O, Message<K>>, void, undefined> {
    return scanned(this.host, this.binary, "hscan", [key], options);
  }

  /** The members of a set, one by one, as SSCAN gives them. */
  sScanIterator(key: Argument, options?: ScanOptions): AsyncGenerator<Message<K>, void, undefined> {
    return scanned(this.host, this.binary, "sscan", [key], options);
  }

  /**
   * The members of a sorted set with their scores, one by one, as ZSCAN gives them.
   *
   * @example
   * ```ts
   * await redis.zAdd("board", 10, "ada", 20, "bob");
   * let sum = 0;
   * for await (const [member, score] of redis.zScanIterator("board")) sum += score;
   * sum; // 30
   * ```
   */
  zScanIterator(
    key: Argument,
    options?: ScanOptions,
  ): AsyncGenerator<[member: Message<K>, score: number], void, undefined> {
    return scanned(this.host, this.binary, "zscan", [key], options);
  }

  /**
   * Entries of streams as they are added, in the order of each. It goes on until it is left or the `signal` is
   * aborted, and survives that another tab leads.
   *
   * @throws TypeError for a bad option.
   * @example
   * ```ts
   * await redis.xAdd("events", "1-1", { type: "click" });
   * for await (const { id, fields } of redis.readStream("events", { from: 0 })) {
   *   console.log(id, fields["type"]); // 1-1 click
   *   break;
   * }
   * ```
   */
  readStream(
    streams: string | readonly string[],
    options?: StreamReadOptions,
  ): AsyncGenerator<StreamMessage<Message<K>>, void, undefined> {
    return readStream(this.host, this.binary, streams, options);
  }

  /**
   * Entries of streams as a consumer of a group is given them: first what it was given before and has not
   * acknowledged, then what is new and, with `minIdle`, what others have left lying. An entry is done with when
   * its `ack()` is called; else somebody is given it again. It goes on until it is left or the `signal` is
   * aborted; what was fetched and not given out then, this consumer is given next time.
   *
   * @throws TypeError for a bad option.
   * @example
   * ```ts
   * await redis.xAdd("mail", "*", { to: "ada" });
   * for await (const { fields, deliveries, ack } of redis.consume("mail", { group: "mailers", consumer: "tab-1", minIdle: 60_000 })) {
   *   if (deliveries < 5) console.log(fields["to"]);
   *   await ack();
   *   break;
   * }
   * (await redis.xPending("mail", "mailers"))[0]; // 0
   * ```
   */
  consume(
    streams: string | readonly string[],
    options: ConsumeOptions,
  ): AsyncGenerator<Delivery<Message<K>>, void, undefined> {
    return consume(this.host, this.binary, streams, options);
  }

  private async listen(
    space: Space,
    names: string | readonly string[],
    listener: Listener<Message<K>>,
    options: Waiting | undefined,
  ): Promise<Stop> {
    if (typeof listener !== "function") throw new TypeError("subscribe: the listener is a function");
    const entry = { listener, binary: this.binary } as Entry;
    return this.host.listening.listen(space, names, entry, signalOf(options));
  }
}

/** Commands that answer promises, with bytes for text. */
export interface BytesRedis extends Commands<"promise bytes"> {}
export class BytesRedis extends AsyncSurface<"bytes"> {
  /** As {@link Redis.live}, with bytes for text. */
  readonly live: LiveMethod<"bytes">;

  /** @internal */
  constructor(host: Host) {
    super(host, true);
    this.live = liveMethod<"bytes">(host.live, true);
  }

  /** As {@link Redis.on} for `invalidate`, with keys as bytes; answers the removal of `listener`. */
  on(event: "invalidate", listener: (keys: readonly Uint8Array[] | null) => void): () => void {
    if (event !== "invalidate") throw new TypeError(`on: there is no event '${String(event)}' of bytes`);
    return this.host.events.on("invalidateBytes", listener);
  }
}

/** An open instance: every command as a method that answers a promise. */
export interface Redis extends Commands<"promise"> {}
export class Redis extends AsyncSurface<"text"> implements AsyncDisposable {
  /**
   * The same commands without the promise. Where another tab leads, this one's copy is read; writes
   * throw a `READONLY` error there, and everything does in a tab without a copy.
   */
  readonly sync: SyncRedis;
  /** The same commands with `Uint8Array` for text. Names of a map stay text. */
  readonly bytes: BytesRedis;
  /** Keeps the reply of a command up to date: {@link LiveMethod}. */
  readonly live: LiveMethod<"text">;
  private readonly upstreams = new Set<Upstream>();

  /** @internal Made by `open`. */
  constructor(host: Host) {
    super(host, false);
    this.live = liveMethod<"text">(host.live, false);
    this.sync = new SyncRedis(host);
    this.bytes = new BytesRedis(host);
  }

  /**
   * `GET`: Returns the string value of a key. One that was read before, and has not changed, costs no crossing
   * to the engine.
   */
  get(key: Argument): Promise<string | null> {
    const known = arguments.length === 1 ? this.host.engine.cache.get(key) : undefined;
    if (known !== undefined) return this.host.pace.resolved(known);
    return this.host.call(GET, arguments, false) as Promise<string | null>;
  }

  /**
   * Runs `callback`, which calls commands on what it is given, as one transaction: no other command runs in
   * between, nobody ever sees half of it, and if it throws, it has never happened. Resolves with what it
   * has answered, which must not be a promise. Where another tab leads, it may be run several times; an
   * aborted `signal` of `options` ends that, and nothing has changed.
   *
   * @throws What the callback throws, or AtomicError.
   * @example
   * ```ts
   * await redis.mSet({ "account:a": 100, "account:b": 0 });
   * const left = await redis.atomic((tx) => {
   *   if (Number(tx.get("account:a")) < 30) throw new Error("not enough");
   *   tx.incrBy("account:b", 30);
   *   return tx.decrBy("account:a", 30);
   * });
   * left; // 70
   * ```
   */
  atomic<T>(
    callback: (tx: Atomic) => T,
    ...options: [T] extends [never] ? [options?: Waiting] : T extends PromiseLike<unknown> ? [never] : [options?: Waiting]
  ): Promise<T> {
    if (typeof callback !== "function") throw new TypeError("atomic: the callback is a function");
    return this.host.units.run((unit) => callback(new Atomic(unit)), signalOf(options[0]));
  }

  /** Who has the data. */
  get role(): Role {
    return this.host.role;
  }

  /**
   * Whether other contexts that open the same name share its data (`tabs`), or this one is its single
   * owner: in memory, and where there are no Web Locks or no BroadcastChannel.
   */
  get topology(): "single" | "tabs" {
    return this.host.topology;
  }

  /** Whether what was written is stored. */
  get persistence(): Persistence {
    return this.host.persistence;
  }

  /**
   * Calls `listener` when what it asks for happens; answers its removal.
   *
   * @example
   * ```ts
   * const remove = redis.on("error", (error) => console.warn(error.code, error.reason));
   * remove();
   * ```
   */
  on<E extends keyof InstanceEvents>(
    event: E,
    listener: (value: InstanceEvents[E]) => void,
  ): () => void {
    return this.host.events.on(event, listener);
  }

  /** Whether the browser keeps the site's storage, and how much of it is used. */
  storage(): Promise<StorageState> {
    return storageState();
  }

  /** The command table for completion and hints. */
  hints(): Hint[] {
    return this.host.engine.lodis.hints();
  }

  /**
   * Runs any command and answers its reply as RESP3 bytes, in which nothing of its type is lost.
   * An error that the command answers is such a reply too: it does not reject. A last argument
   * `{ signal }` ends the wait of a command that waits; the reply is then the error `UNBLOCKED`.
   *
   * @example
   * ```ts
   * new TextDecoder().decode(await redis.raw("SADD", "s", "a")); // ":1\r\n"
   * ```
   */
  async raw(name: string, ...input: Input[]): Promise<Uint8Array> {
    const command = find(name, input[0]);
    const [words, signal] = splitSignal(input);
    const args = flatten(command, words);
    return this.host.batch(
      (engine) => engine.writeFlat(command, args),
      (reader) => reader.rest(),
      command.readOnly,
      mayBlock(command, args),
      signal,
    );
  }

  /**
   * Everything there is at this moment, as an RDB file that a redis-server loads (7.0 or later; 7.4 if
   * fields of hashes expire). It is written bit by bit while commands run; what they change meanwhile
   * is not in it. If the log is being rewritten, that is waited for.
   *
   * @throws ReplyError `READONLY` in a tab that does not lead.
   * @example
   * ```ts
   * await redis.set("a", 1);
   * const file = await redis.exportRdb();
   * await redis.flushAll();
   * const { keys } = await redis.importRdb(file);
   * keys; // 1
   * ```
   */
  exportRdb(options?: FileOptions): Promise<Blob> {
    return this.host.files.export(false, options);
  }

  /**
   * The same as {@link exportRdb}, as an append-only file: `appendonly.aof` for a redis-server with
   * `appendonly yes`. As those that Redis writes, it begins with an RDB file, and no commands follow.
   */
  exportAof(options?: FileOptions): Promise<Blob> {
    return this.host.files.export(true, options);
  }

  /**
   * Replaces everything there is, in all databases, by what is in an RDB file of any Redis up to 8. It is
   * read bit by bit while commands run, and takes the place of what there was in one step; what was
   * written until then is gone with it. With a log, the promise resolves once all of it is stored.
   *
   * @throws FileError if it cannot be loaded, ReplyError `READONLY` in a tab that does not lead,
   * or `MISCONF` if the store fails. Nothing has changed then, unless the store failed last.
   * @throws StoreError `FENCED` if another tab took the lead before all of it was stored.
   */
  importRdb(file: ImportSource, options?: ImportOptions): Promise<Imported> {
    return this.host.files.import(file, options);
  }

  /**
   * Has a real Redis take part: writes to keys with the prefix are queued, as durably as they are stored here,
   * and done there, once and in order, when it can be reached; what others change there comes back. Reads
   * stay here. Call it in every tab: one of them sends. Resolves once writes are queued.
   *
   * @throws TypeError for bad options, UpstreamError `ELSEWHERE` while writes wait for another one.
   */
  async upstream(options: UpstreamOptions): Promise<Upstream> {
    const { Upstream } = await import("./upstream/upstream.js");
    const upstream = await Upstream.begin(this, options, (ended) => this.upstreams.delete(ended));
    this.upstreams.add(upstream);
    return upstream;
  }

  /** Stores what is pending and lets go of every timer, lock, channel and connection. */
  close(): Promise<void> {
    const ended = [...this.upstreams].map((upstream) => upstream.close());
    return ended.length === 0 ? this.host.close() : Promise.all(ended).then(() => this.host.close());
  }

  /** The same as {@link close}. */
  quit(): Promise<void> {
    return this.close();
  }

  /** `await using redis = await open(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

for (const surface of [SyncRedis, SyncBytesRedis] as const) {
  install(
    surface.prototype,
    (command) =>
      function (this: Surface<unknown>) {
        return this.host.callSync(command, arguments, this.binary);
      },
  );
}
for (const surface of [Redis, BytesRedis] as const) {
  install(
    surface.prototype,
    (command) =>
      function (this: Surface<unknown>) {
        return this.host.call(command, arguments, this.binary);
      },
  );
}
