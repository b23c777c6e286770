import type { Lodis } from "./boundary/wasm.js";
import { Memory } from "./boundary/memory.js";
import { ValueCache } from "./cache.js";
import { ReplyReader } from "./boundary/reply.js";
import { RequestWriter } from "./boundary/request.js";
import { readText } from "./boundary/text.js";
import { type Command, COMMANDS, flatten, isArgument } from "./commands.js";
import { OUT_OF_MEMORY, ReplyError } from "./errors.js";
import type { Loaded } from "./load.js";
import type { Argument, Input, Reply } from "./types.js";

/** Messages wait in sessions. */
export const MESSAGES = 1;
/** The effect stream advanced, or CONFIG SET changed a setting. */
export const WROTE = 2;
/** So much has been written that it cannot wait for the end of the task. */
export const MUCH = 128;
/** The session is to be ended. */
export const CLOSE = 4;
/** The reply is the value of one key, for which it was asked before. */
const COPIED = 16;
/** What the session has read before may no longer be what it would read now. */
const FORGET = 32;
/** The kind of a reply that need not be read: 0 if it must be, or one of these. */
const BRIEF = 7 << 8;
const BRIEF_OK = 1 << 8;
const BRIEF_NULL = 2 << 8;
const BRIEF_STRING = 4 << 8;
/** A brief integer, or the length of a brief string, is in the bits from here on. */
const BRIEF_SHIFT = 12;
/** There is something else to be known: {@link Lodis.attention} tells what. */
const ATTENTION = 1 << 11;
const HELD = 1;
const SHUTDOWN = 2;
const FLAGS = (255 & ~(COPIED | FORGET)) | ATTENTION;
/** The session waits for the end of a blocking command. */
export const BLOCKED = 8;
/** A setting was changed. */
const SETTINGS = 64;

/**
 * Takes a session's messages; `over` says that the session is to be ended (CLIENT KILL), `blocked`
 * that it waits for the end of a blocking command.
 */
export type Deliver = (
  messages: Uint8Array<ArrayBuffer>,
  over: boolean,
  blocked: boolean,
) => void;

/** From so many commands on, it pays to convert their words together. */
const MANY = 8;
/** A command may have set an expiry time: look after this many milliseconds at the latest. */
const SOON_MS = 100;
/** What is to be done later than this, a runtime that forgets its timers is told of. */
const ALARM_MS = 1000;
/** A timer that is so late is not going to come. */
const LOST_MS = 1000;
const TIMER_MAX_MS = 2 ** 31 - 1;
/** No timer is set any more. */
const CLOSED = -Infinity;

/** Settings that an engine begins with. */
export interface EngineSettings {
  readonly databases: number;
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  readonly requirepass?: string | undefined;
  /** Users with their rules, as in `ACL SETUSER`. */
  readonly users?: readonly string[];
  /** Commands and their new names, "" for none. */
  readonly renameCommand?: Readonly<Record<string, string>>;
  readonly enableDebugCommand?: "no" | "local" | "yes";
}

/** One engine with its request buffer, and its timer. Knows nothing of stores and tabs. */
export class Engine {
  readonly writer: RequestWriter;
  readonly reader = new ReplyReader();
  /** Values that one session has read. */
  readonly cache: ValueCache;
  readonly lodis: Lodis;
  /** Flags of the last reply that ask for something to be done. */
  flags = 0;
  /** Whether the last reply is worth keeping in `cache`. */
  copied = false;
  /** Whether nothing of the last request was run, since CLIENT PAUSE postpones it. */
  held = false;
  /** Called when SHUTDOWN has ended it all. */
  onShutdown: () => void = () => {};
  /** Called now and then, when time has gone by. */
  onTick: () => void = () => {};
  /** Called when the effect stream has advanced, or sessions have got messages. */
  onWrite: () => void = () => {};
  /** Called when a setting was changed. */
  onSettings: () => void = () => {};
  /**
   * Where timers neither last nor come for free: is told when to call {@link wake}, in Unix milliseconds,
   * before the task that asks for it ends. What is soon to be done has a timer all the same.
   */
  onAlarm: ((at: number) => void) | undefined;
  private readonly memory: Memory;
  /** Where the memory's words tell of the last reply. */
  private readonly head: number;
  /** What the engine calls the commands of the table, by their places; -1 where it knows none. */
  private readonly numbers: Int16Array;
  private readonly routes = new Map<number, Deliver>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private timerDue = Infinity;
  private isWaking = false;

  constructor({ module, memory }: Loaded, settings: EngineSettings) {
    const { renameCommand = {}, databases, maxmemory, maxmemoryPolicy, requirepass, users } = settings;
    const renames = Object.entries(renameCommand).flat();
    const { enableDebugCommand } = settings;
    const options = { databases, maxmemory, maxmemoryPolicy, requirepass, users, renames, enableDebugCommand };
    this.lodis = new module.Lodis({ ...options, nowMs: Date.now() });
    this.memory = new Memory(memory);
    this.head = this.lodis.head() >>> 2;
    this.cache = new ValueCache(this.lodis, this.memory, this.head);
    const names = new Map(this.lodis.commandNames().split(" ").map((name, number) => [name, number]));
    this.numbers = Int16Array.from(COMMANDS, ({ name }) => names.get(name) ?? -1);
    this.writer = new RequestWriter(this.memory, (bytes) => this.lodis.reserve(bytes));
  }

  /** Begins an embedded session; its messages go to `deliver`. */
  connect(deliver: Deliver): number {
    const session = this.lodis.connect(3);
    this.routes.set(session, deliver);
    return session;
  }

  /** Begins a session for commands that may block, in the database of session `like`. */
  fork(like: number, deliver: Deliver): number {
    const session = this.lodis.fork(like);
    this.routes.set(session, deliver);
    return session;
  }

  /** Ends the blocking of a session: its command answers the error `UNBLOCKED`. */
  unblock(session: number): void {
    this.lodis.unblock(session);
    this.drain();
  }

  /** Begins a session anew that was killed. */
  renew(session: number): void {
    this.lodis.renew(session);
    this.cache.forget();
    this.schedule(0);
  }

  /** Ends an embedded session, if it and the engine have not ended. */
  disconnect(session: number): void {
    if (this.routes.delete(session)) this.lodis.disconnect(session);
  }

  /** Begins a connection that speaks RESP as on the wire; -1 if there are too many. */
  openConnection(address: string, deliver: Deliver): number {
    const connection = this.lodis.openConnection(address, Date.now());
    if (connection >= 0) this.routes.set(connection, deliver);
    return connection;
  }

  /** A connection has been sent all but so many bytes; if that is too much, it is soon told that it is over. */
  setUnsent(connection: number, bytes: number): void {
    if (!this.routes.has(connection)) return;
    this.lodis.setUnsent(connection, bytes);
    if (bytes > 0) this.schedule(0);
  }

  /** Ends a connection, if it and the engine have not ended. */
  closeConnection(connection: number): void {
    if (this.routes.delete(connection)) this.lodis.closeConnection(connection);
  }

  /** Gives a connection bytes from the wire; answers the bytes to send back. */
  receive(connection: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    this.writer.load(bytes);
    this.open(this.lodis.receive(connection, this.writer.length, this.now()));
    return this.reader.rest();
  }

  /** Writes a request of one command; `local` if it is for this engine. */
  write(command: Command, inputs: ArrayLike<Input>, local: boolean): void {
    const number = this.numbers[command.index] ?? -1;
    if (local && number >= 0 && this.writer.whole(number, inputs)) return;
    let args = inputs;
    for (let index = 0; index < inputs.length; index++) {
      // Anything that may run foreign code (iterators, getters) runs before the buffer is touched.
      if (!isArgument(inputs[index]) || inputs[index] === undefined) {
        args = flatten(command, inputs);
        break;
      }
    }
    this.writer.begin(local);
    this.writeFlat(command, args);
  }

  /** Adds one command, whose arguments are flat, to the request that the writer has begun. */
  writeFlat(command: Command, args: ArrayLike<Input>): void {
    const { writer } = this;
    writer.command(command, this.numbers[command.index] ?? -1);
    for (let index = 0; index < args.length; index++) {
      writer.argument(args[index] as string, index + 1);
    }
    writer.finish();
  }

  /** Adds commands, whose arguments are flat, to the request that the writer has begun. */
  writeMany(commands: readonly Command[], inputs: readonly (readonly Argument[])[]): void {
    if (commands.length >= MANY && this.writer.many(commands, inputs, this.numbers)) return;
    for (let index = 0; index < commands.length; index++) {
      this.writeFlat(commands[index]!, inputs[index]!);
    }
  }

  /** Runs the request as `session`; the replies are then in `reader`, and must be read at once. */
  run(session: number): void {
    this.open(this.lodis.exec(session, this.writer.length, this.now()));
  }

  /** Begins a unit of a session, to be kept or undone, or only tried; whether that is possible. */
  beginAtomic(session: number, trial: boolean): boolean {
    // What is read inside is of the unit, and nobody else's.
    this.cache.forget();
    return this.lodis.beginAtomic(session, trial, this.now());
  }

  /** Ends it; answers the request that a trial comes to, which is empty if there is nothing to run. */
  endAtomic(session: number, kept: boolean): Uint8Array {
    const flags = this.lodis.endAtomic(session, kept);
    if (flags < 0) throw new ReplyError(OUT_OF_MEMORY);
    this.open(flags);
    return this.reader.rest();
  }

  /** Runs the request of one command as `session`; answers its reply, an error as a value. */
  runOne(session: number, binary: boolean): Reply {
    const flags = this.lodis.exec(session, this.writer.length, this.now());
    const brief = flags & BRIEF;
    if (brief === 0) {
      this.open(flags);
      return this.reader.next(binary);
    }
    this.note(flags);
    if (brief === BRIEF_OK) return "OK";
    if (brief === BRIEF_STRING) return this.string(flags >>> BRIEF_SHIFT, binary);
    return brief === BRIEF_NULL ? null : flags >>> BRIEF_SHIFT;
  }

  /** The reply, which is a string of so many bytes. */
  private string(length: number, binary: boolean): Reply {
    const { bytes, words } = this.memory.refresh();
    const end = words[this.head]! + words[this.head + 1]! - 2;
    return binary ? bytes.slice(end - length, end) : readText(bytes, end - length, end);
  }

  /** Does what a run left to do, after its replies have been read. */
  settle(): void {
    const { flags } = this;
    if (flags & (WROTE | MESSAGES)) this.onWrite();
    if (flags & SETTINGS) this.onSettings();
    if (flags & MESSAGES) this.drain();
  }

  /** Hands every waiting message to its session. */
  drain(): void {
    for (;;) {
      const flags = this.lodis.takeMessages();
      if (flags < 0) return;
      this.open(flags);
      const session = this.memory.words[this.head + 2]!;
      if (flags & WROTE) this.onWrite();
      const messages = this.reader.rest();
      this.routes.get(session)?.(messages, (flags & CLOSE) !== 0, (flags & BLOCKED) !== 0);
    }
  }

  /** Makes sure that `wake` runs within `delay` milliseconds. */
  schedule(delay: number): void {
    if (this.timerDue === CLOSED) return;
    const due = Date.now() + delay;
    if (this.onAlarm && delay > ALARM_MS) return this.onAlarm(due);
    if (this.timerDue <= due) return;
    clearTimeout(this.timer);
    this.timerDue = due;
    try {
      this.timer = setTimeout(() => this.ring(), Math.min(Math.max(delay, 1), TIMER_MAX_MS));
    } catch {
      // Workers have no timers before the first request.
      this.timerDue = Infinity;
      return;
    }
    // In Node a timer must not keep the process alive; browsers number their timers.
    (this.timer as { unref?: () => void }).unref?.();
  }

  /** Stops the timer and frees the engine. */
  close(): void {
    clearTimeout(this.timer);
    this.free();
  }

  /** Frees the engine, whose timer will not come. */
  free(): void {
    this.timerDue = CLOSED;
    this.routes.clear();
    this.cache.close();
    this.lodis.free();
  }

  /** Before a run: its time, after which the timer is due soon. */
  private now(): number {
    this.cache.report();
    const now = Date.now();
    // A timer of Workers ends with the request that set it.
    if (this.timerDue < now - LOST_MS) this.timerDue = Infinity;
    if (this.timerDue > now + SOON_MS) this.schedule(SOON_MS);
    return now;
  }

  /** Looks when there is something to be done, in this task: an alarm is to be set with what asks for it. */
  private wakeAfterThis(): void {
    if (this.isWaking) return;
    this.isWaking = true;
    queueMicrotask(() => {
      this.isWaking = false;
      this.wake();
    });
  }

  private ring(): void {
    this.timerDue = Infinity;
    this.wake();
  }

  /** Does what is to be done by now, unless it is closed. */
  wake(): void {
    if (this.timerDue === CLOSED) return;
    const wait = this.lodis.tick(Date.now());
    this.onWrite();
    this.drain();
    this.onTick();
    if (wait !== Infinity) this.schedule(wait);
  }

  /** Whether nothing of the last request was run, since CLIENT PAUSE postpones it. To be asked once. */
  takeHeld(): boolean {
    const { held } = this;
    this.held = false;
    return held;
  }

  /** Looks whether there is something to be known that no reply has told. */
  attend(): void {
    const attention = this.lodis.attention();
    this.held = (attention & HELD) !== 0;
    if (attention & SHUTDOWN) this.onShutdown();
  }

  private open(flags: number): void {
    const { memory, head } = this;
    memory.refresh();
    const start = memory.words[head]!;
    this.reader.begin(memory.bytes, start, start + memory.words[head + 1]!);
    this.note(flags);
  }

  private note(flags: number): void {
    this.flags = flags & FLAGS;
    this.copied = (flags & COPIED) !== 0;
    if (flags & FORGET) this.cache.forget();
    if (flags & ATTENTION) this.attend();
    if (flags & WROTE && this.onAlarm) this.wakeAfterThis();
    // Its time may run out sooner than the timer is due.
    if (flags & BLOCKED) this.schedule(0);
  }
}
