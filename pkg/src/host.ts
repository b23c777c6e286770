import { Blocking } from "./blocking.js";
import type { LogEvent, Log as LogClass, Tabs, TabsEvent } from "./boundary/wasm.js";
import type { ReplyReader } from "./boundary/reply.js";
import { type Command, find, flatten, mayBlock, splitSignal } from "./commands.js";
import { Durability, type Persistence } from "./durability.js";
import { Engine, MUCH, WROTE } from "./engine.js";
import { ClosedError, LostError, orThrow, ReplyError, StoreError, storeErrorOf, writeError } from "./errors.js";
import { Events, report } from "./events.js";
import { FilePort } from "./file-port.js";
import { Held, isUnpause, POSTPONED } from "./held.js";
import type { Hosted } from "./hosting.js";
import { listenToPage } from "./lifecycle.js";
import { Listening } from "./listening.js";
import { Live, type LiveHost } from "./live.js";
import type { Loaded } from "./load.js";
import type { Settings } from "./options.js";
import { Pace } from "./pace.js";
import { readUnlessAborted, Requests, whileNotAborted } from "./requests.js";
import type { Served } from "./served.js";
import { StoreCalls } from "./stores/calls.js";
import type { Store } from "./stores/store.js";
import { nextTask } from "./task.js";
import type { Input, Reply } from "./types.js";
import { type UnitHost, Units } from "./units.js";

/**
 * Who has the data: this context for itself (`alone`), this tab for all tabs (`leader`), another tab, of
 * whose data this one has a copy (`replica`), or only another tab (`thin`).
 */
export type Role = "alone" | "leader" | "replica" | "thin";

/** What an instance reports. What concerns the store is told in the tab that leads. */
export type InstanceEvents = {
  /** Everything that was written is stored. */
  saved: Persistence;
  /** Something that was written is not stored yet. */
  pending: Persistence;
  /** What is pending could not be stored; it is tried again. */
  failed: Persistence;
  /** Another context has the data from now on, or this one. */
  role: Role;
  /** The store cannot be written, or was emptied, or taken over. */
  error: StoreError;
  /** What the last `error` told is over, and everything that was accepted is stored or about to be. */
  recovered: Persistence;
  /**
   * With `CLIENT TRACKING`: keys that were read have changed, or any may have (null). It is told once the
   * calls that were under way have been answered, so that what they answered is out of date as well.
   */
  invalidate: readonly string[] | null;
  /** With `CLIENT TRACKING ON REDIRECT`: the client with this number is gone, and nobody is told. */
  redirectBroken: number;
  /** The end of the log was not whole, as a crash leaves it, and has been cut off, for this reason. */
  cut: string;
};

/** And what only surfaces of bytes pass on. */
export type HostEvents = InstanceEvents & { invalidateBytes: readonly Uint8Array[] | null };

export const GET = find("get", undefined);
const AUTH = find("auth", undefined);
/** Any command that changes nothing. */
const ASK = find("client", undefined);

/** `local`: what is called is run here; `guest`: another tab leads. */
type State = "opening" | "local" | "guest" | "closed";

/** Other tabs' requests may have set expiry times: the engine looks after this many milliseconds. */
const SOON_MS = 100;

/** Conducts one instance: engine, log, tabs, subscriptions. The surfaces are in redis.ts. */
export class Host {
  readonly engine: Engine;
  readonly events = new Events<HostEvents>();
  readonly listening: Listening;
  readonly files: FilePort;
  role: Role = "alone";
  private state: State = "opening";
  private session = 0;
  private durability: Durability | undefined;
  private tabs: Tabs | undefined;
  private calls: StoreCalls | undefined;
  private readonly blocking: Blocking;
  readonly units: Units;
  readonly live: Live;
  private readonly requests = new Requests();
  private readonly held = new Held();
  readonly pace = new Pace();
  /** What ends connections to this instance when it closes. */
  readonly closers = new Set<() => void>();
  /** Whether this tab holds a copy while another one leads; not without memory for it. */
  private holdsCopy: boolean;
  /** Whether that can be read. */
  private hasCopy = false;
  /** Whether the session at the leader is between MULTI and EXEC. */
  private inTransaction = false;
  /** Whether the session at the leader tracks: 1 if it does, 2 if all reads have to be the leader's. */
  private tracking: 0 | 1 | 2 = 0;
  /** What the last write waits for that had to. */
  private storing: Promise<void> | undefined;
  /** How many other tabs this one leads. */
  private followers = 0;
  /** Whether writes wait for the store. */
  private waits = false;
  /** Whether the tabs will be told what was written. */
  private isTelling = false;
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;
  private whenOpen = Promise.resolve();
  /** What the log of a store that is this context's alone is given: the module holds it, and what it refers to. */
  logListener = (type: LogEvent, value: number | string): void => this.onLog(type, value);
  private opened: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  private deafen: () => void = () => {};

  constructor(
    private readonly loaded: Loaded,
    private readonly settings: Settings,
    private readonly hosted?: Hosted,
  ) {
    this.engine = new Engine(loaded, settings);
    this.holdsCopy = settings.replica;
    this.engine.onWrite = () => this.wrote();
    this.engine.onSettings = () => this.obeySettings();
    this.engine.onShutdown = () => queueMicrotask(() => void this.close().catch(() => {}));
    this.engine.onTick = () => this.release();
    this.blocking = new Blocking(this.engine);
    this.listening = new Listening({
      events: this.events,
      batch: (write, read) => this.batch(write, read, false),
      answered: () => Promise.allSettled([this.requests.answered(), this.storing]),
      spoiled: (queries) => this.live.changed(queries),
    });
    this.live = new Live(this.liveHost());
    this.units = new Units(this.unitHost());
    this.files = new FilePort({
      engine: this.engine,
      mustHaveData: () => {
        this.mustLead();
        if (!this.engine.lodis.mayEverything(this.session)) {
          throw new ReplyError("NOPERM Files are for users who may do everything.");
        }
      },
      storeError: () => this.durability?.refusal(),
      stored: () => this.stored(),
    });
  }

  private unitHost(): UnitHost {
    const host = this;
    return {
      engine: this.engine,
      get session() {
        return host.session;
      },
      get inTransaction() {
        return host.inTransaction;
      },
      get copy() {
        if (host.state === "local" || host.hasCopy) return "here";
        return host.holdsCopy ? "coming" : "none";
      },
      mustBeOpen: () => this.mustBeOpen(),
      runsHere: () => this.runsHere(false),
      answered: () => this.requests.answered(),
      ran: () => {
        if (this.engine.flags !== 0) this.settle();
      },
      forward: (read) => this.forward(read),
      ask: () => this.ask(),
      acknowledged: (result) => this.acknowledged(result),
      runner: this,
      database: () => this.engine.lodis.database(this.session),
      empty: () => new Engine(this.loaded, { databases: this.settings.databases }),
    };
  }

  private liveHost(): LiveHost {
    const host = this;
    return {
      engine: this.engine,
      get isHere() {
        return host.state === "local" || (host.hasCopy && host.tracking < 2);
      },
      get isClosed() {
        return host.isClosed();
      },
      get database() {
        return host.isClosed() ? 0 : host.engine.lodis.database(host.session);
      },
      mustBeOpen: () => this.mustBeOpen(),
      run: (write, read) => {
        this.engine.writer.begin(true);
        write(this.engine);
        return this.runAll(read);
      },
      ask: (write, read) => {
        this.engine.writer.begin(false);
        write(this.engine);
        return this.forward(read);
      },
    };
  }

  /** Opens the store, or finds the tab that leads. */
  open(): Promise<void> {
    this.whenOpen = this.begin();
    return this.whenOpen;
  }

  private async begin(): Promise<void> {
    try {
      await this.beginIn(this.settings.store);
      const { username, password } = this.settings;
      if (password === undefined) return;
      await this.call(AUTH, username === undefined ? [password] : [username, password], false);
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  private beginIn(store: Settings["store"]): Promise<void> | void {
    if (store === "memory") return this.becomeLocal();
    if (this.topology === "single") return this.own();
    return new Promise((resolve, reject) => {
      this.opened = { resolve, reject };
      this.join();
    });
  }

  /** Whether other contexts that open the same name share its data. */
  get topology(): "single" | "tabs" {
    return this.settings.store !== "memory" && hasTabs() ? "tabs" : "single";
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
    if (this.role === "replica" || this.role === "thin") return { state: "elsewhere" };
    return this.durability?.state ?? { state: "memory" };
  }

  /** Runs one command now. The error that it answers is thrown. */
  callSync(command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    this.mustRunSync(command.readOnly);
    this.engine.write(command, inputs, true);
    const reply = this.runOne(command, inputs, binary);
    if (reply instanceof ReplyError) {
      this.engine.takeHeld();
      throw reply;
    }
    return reply;
  }

  /** Runs one command here, or has the tab that leads run it. */
  call(command: Command, inputs: ArrayLike<Input>, binary: boolean): Promise<Reply> {
    try {
      this.mustBeOpen();
      if (command.blocking) return this.callBlocking(command, inputs, binary);
      const isHere = this.runsHere(command.readOnly) || this.runsAtOnce(command, inputs[0]);
      this.engine.write(command, inputs, isHere);
      if (!isHere) return this.forward((reader) => orThrow(reader.next(binary)));
      const reply = this.runOne(command, inputs, binary);
      if (reply instanceof ReplyError) {
        return this.engine.takeHeld() ? this.hold((reader) => orThrow(reader.next(binary))) : Promise.reject(reply);
      }
      if (this.held.length > 0) this.release();
      if (command.name === "shutdown") return this.close().then(() => reply);
      return this.acknowledged(reply);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks the leader for something of no interest. */
  private ask(): Promise<Reply> {
    return this.call(ASK, ["getredir"], false);
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
    this.mustRunSync(false);
    this.engine.writer.begin(true);
    write(this.engine);
    return this.runAll(read);
  }

  /**
   * Runs a request of several commands: one crossing, one message to another tab. One that is
   * `readOnly` may be run on this tab's copy. A `blocking` one runs in a session of its own, so that
   * nothing else waits for it.
   */
  batch<T>(
    write: (engine: Engine) => void,
    read: (reader: ReplyReader) => T,
    readOnly: boolean,
    blocking = false,
    signal?: AbortSignal,
  ): Promise<T> {
    try {
      this.mustBeOpen();
      const isHere = blocking ? !this.tabs : this.runsHere(readOnly);
      this.engine.writer.begin(isHere);
      write(this.engine);
      if (!isHere) return this.forward(read, blocking, signal);
      if (blocking) return this.wait(read, signal);
      const result = this.runAll(read);
      return this.acknowledged(result);
    } catch (error) {
      if (error === POSTPONED) return this.hold(read);
      return Promise.reject(error);
    }
  }

  /** Stores what is pending and lets go of everything. */
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  /**
   * Gives back the memory, and stores nothing more: for one whose context has ended, of which no timer or
   * stream may be touched, and in whose place there is another.
   */
  abandon(): void {
    if (this.isClosed()) return;
    this.state = "closed";
    this.closing = Promise.resolve();
    this.durability?.log.abandon();
    this.durability?.log.free();
    this.engine.free();
  }

  private async shut(): Promise<void> {
    this.state = "closed";
    const error = this.closedError();
    this.opened?.reject(error);
    this.blocking.close(error);
    this.files.close(error);
    this.listening.clear();
    this.live.close();
    this.deafen();
    for (const end of this.closers) end();
    try {
      // What waits for the store only is answered meanwhile.
      await this.durability?.log.close();
    } finally {
      this.requests.close(error);
      this.held.close(error);
      this.durability?.reject(this.closedError());
      this.tabs?.close();
      this.tabs?.free();
      this.durability?.log.free();
      this.engine.disconnect(this.session);
      this.engine.close();
      this.events.clear();
    }
    await this.calls?.closed;
    await this.hosted?.close();
  }

  /** What connections of clients are served with, where this is the context that has the data. */
  served(): Served {
    this.mustLead();
    const admit = () => (this.tabs && !this.isSure() ? this.ask() : undefined);
    return { engine: this.engine, durability: this.durability, admit };
  }

  /** Whether a command is run by this engine: now, and not after something that is on its way. */
  private runsHere(readOnly: boolean): boolean {
    if (this.held.length > 0) return false;
    if (!this.tabs) return true;
    if (this.requests.hasOrdered) return false;
    if (this.state === "local") return !this.waits && this.isSure();
    return readOnly && this.hasCopy && !this.inTransaction && this.tracking < 2;
  }

  /** Whether a command is run here although others wait: what lets them go on, and what ends it all. */
  private runsAtOnce({ name }: Command, first: Input): boolean {
    const isHeld = this.held.length > 0 && this.state === "local";
    return name === "shutdown" || (isHeld && isUnpause(name, first));
  }

  /** Runs the request in the writer when the pause is over. */
  private hold<T>(read: (reader: ReplyReader) => T): Promise<T> {
    return this.held.add(this.engine.writer.copy(), read);
  }

  /** Runs what was postponed, if the pause is over. */
  private release(): void {
    if (this.isClosed()) return;
    this.tabs?.resume();
    this.held.release(this.engine, this.session, () => {
      const stored = this.flushed();
      if (this.engine.flags !== 0) this.settle();
      return stored;
    });
  }

  /** Leader: whether it is certain that no other tab leads by now. */
  private isSure(): boolean {
    return this.followers === 0 || this.tabs!.mayWrite();
  }

  /** Throws if nothing can be called, or only what the callback of `atomic` is given. */
  private mustBeOpen(): void {
    if (this.state === "closed") throw this.closedError();
    this.units.mustBeOutside();
  }

  private mustRunSync(readOnly: boolean): void {
    this.mustBeOpen();
    if (this.state === "local") {
      if (readOnly || !this.tabs || this.isSure()) return;
      this.tabs.verify();
      throw new ReplyError("READONLY This tab has yet to make sure that it leads: use the promise API.");
    }
    // Of a copy, the engine itself refuses writes.
    if (!this.hasCopy) {
      throw new ReplyError("READONLY Another tab leads, and this one holds no copy: use the promise API.");
    }
  }

  private mustLead(): void {
    this.mustBeOpen();
    if (this.state !== "local") throw new ReplyError("READONLY Another tab leads: call it there.");
  }

  private closedError(): Error {
    return this.failure ?? new ClosedError();
  }

  private runOne(command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    const { engine } = this;
    const reply = engine.runOne(this.session, binary);
    // Later calls are not to be answered with what is older than what was asked for before them.
    const isAhead = this.requests.hasOrdered || this.inTransaction || this.tracking === 2;
    if (engine.copied && command === GET && typeof reply === "string" && !isAhead) {
      const key = inputs[0];
      if (typeof key === "string") engine.cache.note(this.session, key, reply);
    }
    if (engine.flags !== 0) this.settle();
    return reply;
  }

  private runAll<T>(read: (reader: ReplyReader) => T): T {
    const { engine } = this;
    engine.run(this.session);
    if (this.engine.takeHeld()) throw POSTPONED;
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
  }

  /** Stores everything there is. */
  async stored(): Promise<void> {
    const { durability } = this;
    try {
      await durability?.flushed();
    } catch (error) {
      if (this.isClosed()) throw this.closedError();
      throw this.durability === durability ? error : robbed();
    }
  }

  /** What the last run came to, once it may be told. */
  private acknowledged<T>(result: T): Promise<T> {
    const stored = this.flushed();
    return stored ? stored.then(() => result) : this.pace.resolved(result);
  }

  /** A promise to wait for before the last run is acknowledged. */
  private flushed(): Promise<void> | undefined {
    const stored = this.engine.flags & WROTE ? this.durability?.pending() : undefined;
    return stored && (this.storing = stored);
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

  /** Has the leader run the request in the writer. */
  private forward<T>(
    read: (reader: ReplyReader) => T,
    blocking = false,
    signal?: AbortSignal,
  ): Promise<T> {
    const { tabs, engine } = this;
    if (this.held.length > 0 && !blocking) return this.hold(read);
    const frame = engine.writer.copy();
    const [seq, reply] = this.requests.add(read, blocking, signal);
    // What was read before may not be what is read after this.
    engine.cache.forget();
    tabs!.request(seq, frame, blocking);
    return whileNotAborted(reply, signal, () => {
      if (!this.isClosed()) tabs!.cancel(seq);
    });
  }

  /** Joins the tabs that have opened the name. */
  private join(): void {
    const { lodis } = this.engine;
    const { name, store, appendOnly, appendFsync, replica, leads, downAfterMs } = this.settings;
    this.calls = typeof store === "object" ? new StoreCalls(store) : undefined;
    const options = {
      appendOnly,
      appendFsync,
      replica,
      leads,
      silenceMs: downAfterMs,
    };
    this.connect();
    const onLog = (type: LogEvent, value: number | string): void => this.onLog(type, value);
    const onTabs = (event: TabsEvent): void => this.onTabs(event);
    const { Tabs } = this.loaded.module;
    this.tabs = Tabs.join(lodis, this.session, name, this.calls, options, onTabs, onLog);
    this.listen();
  }

  private onTabs(event: TabsEvent): void {
    if (this.state === "closed" && event.type !== "reply") return;
    const { engine } = this;
    switch (event.type) {
      case "lead":
        return this.lead(event.log);
      case "follow":
        [this.inTransaction, this.tracking] = [event.transaction, event.tracking];
        return this.follow();
      case "welcome":
        this.state = "guest";
        this.listening.resubscribe();
        this.live.renew();
        // A leader hears of it with the next call, and then tells what to forget.
        if (this.tracking > 0) this.ask().catch(() => {});
        return this.becomeGuest();
      case "copy":
        this.hasCopy = event.readable;
        engine.cache.forget();
        this.live.renew();
        return this.becomeGuest();
      case "thin":
        this.holdsCopy = false;
        this.live.renew();
        return this.becomeGuest();
      case "reply":
        engine.reader.begin(event.reply, 0, event.reply.length);
        [this.inTransaction, this.tracking] = [event.transaction, event.tracking];
        return this.requests.reply(event.seq, engine.reader);
      case "lost":
        return this.requests.lost(event.seq);
      case "push":
        return this.listening.receive(event.messages);
      case "ran":
        engine.drain();
        this.durability?.changed();
        engine.schedule(SOON_MS);
        return queueMicrotask(() => this.release());
      case "tabs":
        this.followers = event.count;
        return;
      case "failed":
        return this.fail(storeErrorOf(event.error, this.settings.name));
    }
  }

  /** This tab leads from now on. */
  private lead(log: LogClass): void {
    const { engine } = this;
    this.durability = this.follows(log);
    this.state = "local";
    [this.inTransaction, this.tracking] = [false, 0];
    engine.cache.forget();
    this.obeySettings();
    engine.schedule(0);
    this.listening.resubscribe();
    this.live.renew();
    this.setRole("leader");
    this.opened?.resolve();
  }

  /** Another tab leads from now on. */
  private follow(): void {
    const { durability, engine } = this;
    this.durability = undefined;
    this.state = "guest";
    this.followers = 0;
    this.held.close(new LostError());
    durability?.reject(robbed());
    // It may be what has just told that.
    queueMicrotask(() => durability?.log.free());
    // Its subscriptions are those of another one, at the leader.
    engine.disconnect(this.session);
    this.connect();
    this.tabs?.attach(this.session);
    engine.cache.forget();
    this.becomeGuest();
  }

  private becomeGuest(): void {
    if (this.state !== "guest") return;
    this.setRole(this.holdsCopy ? "replica" : "thin");
    if (this.hasCopy || !this.holdsCopy) this.opened?.resolve();
  }

  /** Loads the store, which is this context's alone. */
  private async own(): Promise<void> {
    const { lodis } = this.engine;
    const { name, store, appendOnly, appendFsync } = this.settings;
    const options = { appendOnly, appendFsync };
    this.calls = typeof store === "object" ? new StoreCalls(store) : undefined;
    const opening = this.loaded.module.Log.open(lodis, this.calls ?? name, options, this.logListener);
    const log = await opening.catch((error: unknown) => {
      throw storeErrorOf(error, name);
    });
    if (this.isClosed()) return closeLate(log);
    this.durability = this.follows(log);
    this.listen();
    this.becomeLocal();
  }

  private becomeLocal(): void {
    this.connect();
    this.state = "local";
    this.engine.schedule(0);
  }

  /** Begins the session of what is run here. */
  private connect(): void {
    this.session = this.engine.connect((messages, over) => {
      this.listening.receive(messages);
      if (over) this.renew();
    });
  }

  /** CLIENT KILL has ended the session: as a client that connects again, this instance gets another. */
  private renew(): void {
    if (this.isClosed()) return;
    this.engine.renew(this.session);
    this.listening.resubscribe();
    this.live.renew();
  }

  private follows(log: LogClass): Durability {
    const { events, engine } = this;
    return new Durability(engine.lodis, log, (state) => events.emit(state.state as "saved", state));
  }

  isClosed(): boolean {
    return this.state === "closed";
  }

  /** The effect stream advanced, or sessions have messages. */
  private wrote(): void {
    const { tabs } = this;
    if (!tabs) return this.durability?.written();
    if (this.engine.flags & MUCH) tabs.written();
    if (this.isTelling) return;
    this.isTelling = true;
    // What is on its way to the log is not saved.
    this.durability?.changed();
    const tell = (): void => {
      this.isTelling = false;
      if (this.isClosed()) return;
      tabs.written();
      this.durability?.changed();
    };
    // Followers hear of it in the task that wrote it, before anybody sees a promise of that.
    if (this.followers > 0) queueMicrotask(tell);
    else void nextTask().then(tell);
  }

  private obeySettings(): void {
    this.tabs?.written();
    this.waits = this.durability?.log.waitsForStore() ?? false;
  }

  /** The log tells what has become of it. */
  onLog(type: LogEvent, value: number | string): void {
    const reason = String(value);
    switch (type) {
      case "progress":
        return guarded(() => this.settings.onProgress?.(Number(value)));
      case "blocked":
        return guarded(() => this.settings.onBlocked?.(reason));
      case "cut":
        // Nobody can listen before open() has answered.
        this.whenOpen.then(() => setTimeout(() => this.events.emit("cut", reason)), () => {});
        return;
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
    if (error instanceof StoreError && (error.code === "FENCED" || error.code === "OUTDATED")) {
      // What is not stored yet is not to be where the store is somebody else's.
      if (error.code === "FENCED") this.durability?.log.abandon();
      this.events.emit("error", error);
    }
    this.close().catch(() => {});
  }

  private setRole(role: Role): void {
    if (this.role === role) return;
    this.role = role;
    this.events.emit("role", role);
  }

  private listen(): void {
    const { tabs } = this;
    const hidden = (): void => this.durability?.log.hidden();
    this.deafen = listenToPage({
      hidden,
      leave: () => (tabs ? tabs.leave() : hidden()),
      come: () => {
        try {
          tabs?.come();
        } catch (error) {
          this.fail(error);
        }
      },
    });
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

function robbed(): StoreError {
  return new StoreError("FENCED", "another tab leads now");
}

async function closeLate(log: LogClass): Promise<void> {
  await log.close();
  log.free();
}
