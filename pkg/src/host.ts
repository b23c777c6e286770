import { Blocking } from "./blocking.js";
import type { LogEvent, Log as LogClass, Tabs, TabsEvent } from "./boundary/wasm.js";
import type { ReplyReader } from "./boundary/reply.js";
import { type Command, find, flatten, mayBlock, plain, splitSignal } from "./commands.js";
import { Durability, type Persistence } from "./durability.js";
import { CLOSE, Engine, WROTE } from "./engine.js";
import { ClosedError, LostError, ReplyError, StoreError, storeErrorOf, writeError } from "./errors.js";
import { Events, report } from "./events.js";
import { Files } from "./files.js";
import { Guests } from "./guests.js";
import type { Loaded } from "./load.js";
import type { Settings } from "./options.js";
import { StoreCalls } from "./stores/calls.js";
import type { Store } from "./stores/store.js";
import { type Space, Subscriptions } from "./subscribe.js";
import type { Input, Reply } from "./types.js";

/** Who has the data: this context for itself, this tab for all tabs, or another tab. */
export type Role = "alone" | "owner" | "guest";

/** What an instance reports. What concerns the store is told in the tab that owns the data. */
export type InstanceEvents = {
  saved: Persistence;
  pending: Persistence;
  failed: Persistence;
  role: Role;
  /** The store cannot be written, or was emptied, or taken over. */
  error: StoreError;
  /** What the last `error` told is over, and everything that was accepted is stored or about to be. */
  recovered: Persistence;
  /** The end of the log was not whole, as a crash leaves it, and has been cut off, for this reason. */
  cut: string;
};

/** A request that another tab runs, or that waits until this one can. */
interface Request {
  readonly frame: Uint8Array<ArrayBuffer>;
  /** Whether running it twice is the same as running it once. */
  readonly repeatable: boolean;
  /** Whether it may block, and so runs in a session of its own. */
  readonly blocking: boolean;
  readonly signal: AbortSignal | undefined;
  readonly read: (reader: ReplyReader) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whether another tab may have run it. */
  sent: boolean;
}

export const GET = find("get", undefined);

type State = "opening" | "local" | "guest" | "closed";

/** Conducts one instance: engine, log, tabs, subscriptions. The surfaces are in redis.ts. */
export class Host {
  readonly engine: Engine;
  readonly events = new Events<InstanceEvents>();
  readonly subscriptions = new Subscriptions();
  readonly files: Files;
  role: Role = "alone";
  private state: State = "opening";
  private session = 0;
  private durability: Durability | undefined;
  private tabs: Tabs | undefined;
  private guests: Guests | undefined;
  private calls: StoreCalls | undefined;
  private readonly blocking: Blocking;
  private readonly requests = new Map<number, Request>();
  private nextSeq = 1;
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;
  private opened: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  private readonly onHidden = () => {
    if (globalThis.document?.visibilityState === "hidden") this.durability?.log.hidden();
  };
  private readonly onPageHide = () => this.durability?.log.hidden();

  constructor(
    private readonly loaded: Loaded,
    private readonly settings: Settings,
  ) {
    this.engine = new Engine(loaded, settings);
    this.engine.onWrite = () => this.durability?.written();
    this.blocking = new Blocking(this.engine);
    this.files = new Files({
      engine: this.engine,
      mustHaveData: () => this.mustBeLocal("call it there"),
      storeError: () => this.durability?.refusal(),
      stored: () => this.stored(),
    });
  }

  /** Opens the store, or finds the tab that has it. */
  async open(): Promise<void> {
    try {
      const { store } = this.settings;
      if (store === "memory") return this.becomeLocal();
      if (store !== "indexeddb" && !hasTabs()) return await this.own();
      await new Promise<void>((resolve, reject) => {
        this.opened = { resolve, reject };
        const { Tabs } = this.loaded.module;
        this.tabs = Tabs.join(this.settings.name, (event) => this.onTabs(event));
      });
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  /** Reads what can be read of a store, or of IndexedDB; answers what cannot. */
  async salvage(store: Store | undefined): Promise<string | null> {
    const { Log } = this.loaded.module;
    const calls = store && new StoreCalls(store);
    const onEvent = (type: LogEvent, value: number | string) => this.onLog(type, value);
    try {
      const lost = await Log.salvage(this.engine.lodis, calls ?? this.settings.name, onEvent);
      await calls?.closed;
      this.becomeLocal();
      return lost ?? null;
    } catch (error) {
      await this.close().catch(() => {});
      throw storeErrorOf(error, this.settings.name);
    }
  }

  get persistence(): Persistence {
    if (this.role === "guest") return { state: "elsewhere" };
    return this.durability?.state ?? { state: "memory" };
  }

  /** Runs one command now. The error that it answers is thrown. */
  callSync(command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    this.mustBeLocal();
    this.engine.write(command, inputs, true);
    const reply = this.runOne(command, inputs, binary);
    if (reply instanceof ReplyError) throw reply;
    return reply;
  }

  /** Runs one command here or in the tab that has the data. */
  call(command: Command, inputs: ArrayLike<Input>, binary: boolean): Promise<Reply> {
    try {
      if (this.state === "closed") throw this.closedError();
      if (command.blocking) return this.callBlocking(command, inputs, binary);
      this.engine.write(command, inputs, this.state === "local");
      if (this.state !== "local") {
        const read = (reader: ReplyReader) => orThrow(reader.next(binary));
        return this.forward(command.readOnly, read);
      }
      const reply = this.runOne(command, inputs, binary);
      if (reply instanceof ReplyError) return Promise.reject(reply);
      const stored = this.flushed();
      return stored ? stored.then(() => reply) : Promise.resolve(reply);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Runs one command that may wait; an aborted `signal` in its options ends that. */
  private callBlocking(command: Command, inputs: ArrayLike<Input>, binary: boolean): Promise<Reply> {
    const [words, signal] = splitSignal(inputs);
    signal?.throwIfAborted();
    const args = flatten(command, words);
    return this.batch(
      (engine) => engine.writeFlat(command, args),
      (reader) => orThrow(reader.next(binary)),
      command.readOnly,
      mayBlock(command, args),
      signal,
    );
  }

  /** Runs a request that `write` writes, and reads its replies with `read`, now. */
  batchSync<T>(write: (engine: Engine) => void, read: (reader: ReplyReader) => T): T {
    this.mustBeLocal();
    this.engine.writer.begin(true);
    write(this.engine);
    return this.runAll(read);
  }

  /**
   * Runs a request of several commands: one crossing, one message to another tab. A `repeatable`
   * one is run again if the tab that had it went away. A `blocking` one runs in a session of its
   * own, so that nothing else waits for it.
   */
  batch<T>(
    write: (engine: Engine) => void,
    read: (reader: ReplyReader) => T,
    repeatable: boolean,
    blocking = false,
    signal?: AbortSignal,
  ): Promise<T> {
    try {
      if (this.state === "closed") throw this.closedError();
      this.engine.writer.begin(this.state === "local");
      write(this.engine);
      if (this.state !== "local") return this.forward(repeatable, read, blocking, signal);
      if (blocking) return this.wait(read, signal);
      const result = this.runAll(read);
      const stored = this.flushed();
      return stored ? stored.then(() => result) : Promise.resolve(result);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Stores what is pending and lets go of everything. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    const wasLocal = this.state === "local";
    this.state = "closed";
    this.opened?.reject(this.closedError());
    for (const request of this.requests.values()) request.reject(this.closedError());
    this.blocking.close(this.closedError());
    this.files.close(this.closedError());
    this.requests.clear();
    this.subscriptions.clear();
    this.listen("removeEventListener");
    try {
      await this.durability?.log.close();
      await this.calls?.closed;
    } finally {
      this.durability?.reject(this.closedError());
      this.tabs?.close();
      this.tabs?.free();
      this.durability?.log.free();
      if (wasLocal) this.engine.disconnect(this.session);
      this.engine.close();
      this.events.clear();
    }
  }

  private mustBeLocal(instead = "use the promise API"): void {
    if (this.state === "local") return;
    if (this.state === "closed") throw this.closedError();
    throw new ReplyError(
      `READONLY Another tab owns the data, and this one holds no copy: ${instead}.`,
    );
  }

  private closedError(): Error {
    return this.failure ?? new ClosedError();
  }

  private runOne(command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    const { engine } = this;
    const reply = engine.runOne(this.session, binary);
    if (engine.copied && command === GET && typeof reply === "string") {
      const key = inputs[0];
      if (typeof key === "string") engine.cache.note(this.session, key, reply);
    }
    if (engine.flags !== 0) this.settle();
    return reply;
  }

  private runAll<T>(read: (reader: ReplyReader) => T): T {
    const { engine } = this;
    engine.run(this.session);
    try {
      return read(engine.reader);
    } finally {
      if (engine.flags !== 0) this.settle();
    }
  }

  private settle(): void {
    const { flags } = this.engine;
    this.engine.settle();
    this.engine.flags = flags; // settling runs the engine again
    if (flags & CLOSE) this.close().catch(report);
  }

  /** Stores everything there is. */
  private async stored(): Promise<void> {
    try {
      await this.durability?.flushed();
    } catch (error) {
      throw this.isClosed() ? this.closedError() : error;
    }
  }

  /** A promise to wait for before the last run is acknowledged. */
  private flushed(): Promise<void> | undefined {
    return this.engine.flags & WROTE ? this.durability?.pending() : undefined;
  }

  /** Runs the request in the writer in a session of its own, until all of it has been answered. */
  private async wait<T>(read: (reader: ReplyReader) => T, signal?: AbortSignal): Promise<T> {
    const call = this.blocking.run(this.session);
    const bytes = await whileNotAborted(call.replies, signal, call.cancel);
    const { reader } = this.engine;
    reader.begin(bytes, 0, bytes.length);
    const result = readUnlessAborted(read, signal)(reader);
    await this.durability?.pending();
    return result;
  }

  private forward<T>(
    repeatable: boolean,
    read: (reader: ReplyReader) => T,
    blocking = false,
    signal?: AbortSignal,
  ): Promise<T> {
    const frame = this.engine.writer.copy();
    const seq = this.nextSeq++;
    const reply = new Promise<T>((resolve, reject) => {
      const request: Request = {
        frame,
        repeatable: repeatable && !blocking,
        blocking,
        signal,
        read: readUnlessAborted(read, signal),
        resolve: resolve as (value: unknown) => void,
        reject,
        sent: false,
      };
      this.requests.set(seq, request);
      if (this.state === "guest") this.send(seq, request);
    });
    return whileNotAborted(reply, signal, () => this.cancel(seq));
  }

  private send(seq: number, request: Request): void {
    request.sent = true;
    if (request.blocking) this.tabs?.block(seq, request.frame);
    else this.tabs?.request(seq, request.frame, request.repeatable);
  }

  /** The owner answers what was sent to it; what was not is rejected here. */
  private cancel(seq: number): void {
    const request = this.requests.get(seq);
    if (!request) return;
    if (request.sent) return void this.tabs?.cancel(seq);
    this.requests.delete(seq);
    request.reject(request.signal?.reason);
  }

  private onTabs(event: TabsEvent): void {
    if (this.state === "closed") return;
    switch (event.type) {
      case "own":
        this.state = "opening";
        this.own().catch((error: unknown) => this.fail(error));
        return;
      case "guest":
        return this.becomeGuest();
      case "reply":
        return this.onReply(event.seq, event.reply);
      case "lost":
        this.requests.get(event.seq)?.reject(new LostError());
        this.requests.delete(event.seq);
        return;
      case "failed":
        return this.fail(storeErrorOf(event.error, this.settings.name));
      case "push":
        return this.subscriptions.receive(event.messages);
      default:
        this.guests?.handle(event);
    }
  }

  private onReply(seq: number, reply: Uint8Array): void {
    const request = this.requests.get(seq);
    if (!request) return;
    this.requests.delete(seq);
    const { reader } = this.engine;
    reader.begin(reply, 0, reply.length);
    settleWith(request, () => request.read(reader));
  }

  /** This tab holds the lock: loads the store, then serves itself and the others. */
  private async own(): Promise<void> {
    const { lodis } = this.engine;
    const { name, store, appendOnly, appendFsync } = this.settings;
    const onEvent = (type: LogEvent, value: number | string) => this.onLog(type, value);
    const options = { appendOnly, appendFsync };
    this.calls = typeof store === "object" ? new StoreCalls(store) : undefined;
    const opening = this.loaded.module.Log.open(lodis, this.calls ?? name, options, onEvent);
    const log = await opening.catch((error: unknown) => {
      throw storeErrorOf(error, name);
    });
    if (this.isClosed()) return closeLate(log);
    this.durability = new Durability(lodis, log, (state) => this.events.emit(state.state as "saved", state));
    this.listen("addEventListener");
    this.becomeLocal();
    if (!this.tabs) return;
    this.guests = new Guests(this.engine, this.blocking, this.tabs, () => this.durability?.pending());
    this.setRole("owner");
    this.tabs.serve();
    this.opened?.resolve();
  }

  private isClosed(): boolean {
    return this.state === "closed";
  }

  private becomeLocal(): void {
    this.session = this.engine.connect((messages, over) => {
      this.subscriptions.receive(messages);
      if (over) this.close().catch(report);
    });
    this.state = "local";
    this.engine.schedule(0);
    this.resubscribe();
    const waiting = [...this.requests.values()];
    this.requests.clear();
    for (const request of waiting) {
      if (request.sent && !request.repeatable) request.reject(new LostError());
      else this.runRequest(request);
    }
  }

  private runRequest(request: Request): void {
    settleWith(request, () => {
      this.engine.writer.load(request.frame);
      if (request.blocking) return this.wait(request.read, request.signal);
      const result = this.runAll(request.read);
      const stored = this.flushed();
      return stored ? stored.then(() => result) : result;
    });
  }

  private becomeGuest(): void {
    this.state = "guest";
    this.resubscribe();
    for (const [seq, request] of this.requests) {
      if (!request.sent) this.send(seq, request);
    }
    this.setRole("guest");
    this.opened?.resolve();
  }

  /** A new owner knows nothing of what this instance listens to. */
  private resubscribe(): void {
    for (const [space, name] of this.subscriptions.names()) {
      this.changeSubscription(space, name, true).catch(() => {});
    }
  }

  /** Sends SUBSCRIBE, UNSUBSCRIBE or their kin for one name. */
  changeSubscription(space: Space, name: string, on: boolean): Promise<unknown> {
    const command = SUBSCRIPTIONS[space][on ? 0 : 1];
    const write = (engine: Engine) => engine.writeFlat(command, [name]);
    const read = (reader: ReplyReader) => (reader.more ? orThrow(reader.next(false)) : null);
    return this.batch(write, read, true);
  }

  private onLog(type: LogEvent, value: number | string): void {
    const reason = String(value);
    switch (type) {
      case "progress":
        return guarded(() => this.settings.onProgress?.(Number(value)));
      case "blocked":
        return guarded(() => this.settings.onBlocked?.(reason));
      case "cut":
        // Nobody can listen before open() has answered.
        return void setTimeout(() => this.events.emit("cut", reason));
      case "fenced":
        return this.fail(new StoreError("FENCED", "another context has taken over the store"));
      case "failed":
        this.durability?.failed(reason);
        return this.events.emit("error", writeError(reason));
    }
    this.durability?.durable();
    this.engine.drain();
    if (type === "lost") this.events.emit("error", new StoreError("STORE_LOST", reason));
    if (type === "recovered") this.events.emit("recovered", this.persistence);
  }

  /** The instance cannot go on: open() rejects, or every later call does. */
  private fail(error: unknown): void {
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.opened?.reject(error);
    if (error instanceof StoreError && error.code === "FENCED") {
      // What is not stored yet is not to be: the store is somebody else's.
      this.durability?.log.abandon();
      this.events.emit("error", error);
    }
    this.close().catch(() => {});
  }

  private setRole(role: Role): void {
    if (this.role === role) return;
    this.role = role;
    this.events.emit("role", role);
  }

  private listen(method: "addEventListener" | "removeEventListener"): void {
    globalThis.document?.[method]("visibilitychange", this.onHidden);
    if ("document" in globalThis) globalThis[method]("pagehide", this.onPageHide);
  }
}

/** Whether several contexts can share a name here. */
function hasTabs(): boolean {
  return globalThis.navigator?.locks !== undefined && "BroadcastChannel" in globalThis;
}

/** Calls what is the user's: what it throws is reported as uncaught. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    report(error);
  }
}

function orThrow(reply: Reply): Reply {
  if (reply instanceof ReplyError) throw reply;
  return reply;
}

/** Calls `cancel` if `signal` is aborted before `promise` has settled. */
async function whileNotAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  cancel: () => void,
): Promise<T> {
  if (!signal) return promise;
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Throws the reason of an aborted `signal` in place of the error that came of it. */
function readUnlessAborted<T>(
  read: (reader: ReplyReader) => T,
  signal: AbortSignal | undefined,
): (reader: ReplyReader) => T {
  return (reader) => {
    try {
      return read(reader);
    } catch (error) {
      const unblocked = error instanceof ReplyError && error.code === "UNBLOCKED";
      throw unblocked && signal?.aborted ? signal.reason : error;
    }
  };
}

function settleWith(request: Request, work: () => unknown): void {
  try {
    request.resolve(work());
  } catch (error) {
    request.reject(error);
  }
}

async function closeLate(log: LogClass): Promise<void> {
  await log.close();
  log.free();
}

const SUBSCRIPTIONS: Record<Space, readonly [Command, Command]> = {
  channel: [plain("subscribe"), plain("unsubscribe")],
  pattern: [plain("psubscribe"), plain("punsubscribe")],
  shard: [plain("ssubscribe"), plain("sunsubscribe")],
};
