// Who talks to upstream: one of all tabs, as long as it has the lease.
//
// Everything is done one after the other, so that what was read upstream is never applied over what was sent
// later: first what waits is sent, then what has changed is read, and applied to keys to which nothing
// waits (the engine looks at that in the same step); the others are read again once that has been sent.
import type { Entry, Link, Refusal, Value } from "./link.js";
import { UNREAD, UpstreamError } from "./link.js";
import type { Queue, Status } from "./queue.js";
import type { UpstreamSettings } from "./options.js";
import { restLink } from "./rest-link.js";
import { isRecord } from "./scripts.js";
import { socketLink } from "./socket-link.js";
import { bytesOf, nameOf } from "./wire.js";

/** How long a lease lasts, and when it is renewed, in milliseconds. */
export const LEASE_MS = 10_000;
const RENEW_MS = 3_000;
/** So many bytes are sent at once, and so many keys are read. */
const SEND_BYTES = 128 * 1024;
const READ_KEYS = 256;

/** What is told of the work. */
export interface Reporter {
  online(): void;
  pending(count: number): void;
  refused(command: readonly Uint8Array[], error: UpstreamError): void;
  conflict(key: Uint8Array, error: UpstreamError): void;
  synced(): void;
  lost(writes: number): void;
}

/** What a key held upstream. */
export interface Known {
  readonly digest: string;
  readonly expiresAt: number;
}

/** The lease is somebody else's. */
export class LeaseLost extends Error {}

export class Sender {
  private readonly prefix: Uint8Array;
  /** Keys that may have changed upstream, by their names. */
  private readonly changed = new Set<string>();
  /** How often all keys were to be compared, which time this is, and how many are over. */
  private wanted = 0;
  private pass = 0;
  private finished = 0;
  /** How far the keys upstream have been listed, and whether all keys have. */
  private cursor: string | null = null;
  private isListed = false;
  /** The keys that were found upstream meanwhile. */
  private readonly found = new Set<string>();
  private comparedAt = 0;
  private stale = 0;
  private lostWrites = 0;
  private leasedAt = 0;
  private link: Link | undefined;
  private failure: UpstreamError | undefined;
  private wake: (() => void) | undefined;
  private isAwake = false;
  /** Something was refused, and nothing is sent until that has been looked at. */
  isStopped = false;

  constructor(
    private readonly queue: Queue,
    private readonly settings: UpstreamSettings,
    private readonly client: string,
    private readonly reporter: Reporter,
    /** What keys held upstream when they were read last, and here, unless something was written since. */
    private readonly known: Map<string, Known>,
  ) {
    this.prefix = new TextEncoder().encode(settings.prefix);
  }

  /** There may be something to do. */
  nudge(): void {
    this.isAwake = true;
    this.wake?.();
  }

  /** Compares everything. */
  compare(): void {
    this.wanted++;
    this.nudge();
  }

  close(): void {
    this.failure ??= new UpstreamError("CLOSED", "it was closed");
    this.link?.close();
    this.nudge();
  }

  /**
   * Connects, and works until something goes wrong.
   *
   * @throws UpstreamError for what is wrong upstream; LeaseLost; what the instance answers.
   */
  async work(): Promise<never> {
    try {
      this.link = await this.connect();
      this.throwIfOver();
      const status = await this.queue.status();
      [this.stale, this.lostWrites] = [status?.stale ?? 0, status?.lost ?? 0];
      this.compare();
      this.reporter.online();
      for (;;) await this.step();
    } finally {
      this.link?.close();
      this.link = undefined;
    }
  }

  private async connect(): Promise<Link> {
    const { settings, prefix } = this;
    const token = await settings.token();
    const target = { url: settings.url.href, token, prefix, timeoutMs: settings.timeoutMs };
    const listener = {
      changed: (keys: readonly Uint8Array[] | null): void => {
        if (keys === null) return this.compare();
        for (const key of keys) this.note(key);
        this.nudge();
      },
      lost: (error: UpstreamError): void => {
        this.failure ??= error;
        this.nudge();
      },
    };
    if (settings.isRest) return restLink(target, listener);
    return socketLink({ ...target, WebSocket: settings.WebSocket! }, listener);
  }

  /** Does some of what there is to do, or waits. */
  private async step(): Promise<void> {
    this.throwIfOver();
    this.isAwake = false;
    await this.renew();
    const status = await this.queue.status();
    // Whoever asks for the lease then is told so.
    if (status === undefined) throw new LeaseLost();
    this.look(status);
    const sent = this.isStopped ? 0 : await this.send();
    this.throwIfOver();
    const isDone = await this.receive();
    if (sent === 0 && isDone) await this.rest();
  }

  /** Looks at what has happened in the engine. */
  private look(status: Status): void {
    this.reporter.pending(status.pending);
    if (status.lost > this.lostWrites) this.reporter.lost(status.lost - this.lostWrites);
    const isDue = this.settings.compareMs > 0 && Date.now() - this.comparedAt >= this.settings.compareMs;
    if (status.stale !== this.stale || status.lost !== this.lostWrites) {
      this.known.clear();
      this.compare();
    }
    if (isDue && this.finished === this.wanted) this.compare();
    [this.stale, this.lostWrites] = [status.stale, status.lost];
  }

  private async renew(): Promise<void> {
    const now = Date.now();
    if (now - this.leasedAt < RENEW_MS) return;
    // After another one has led, what was read here may be gone with the one before.
    if ((await this.queue.lease(LEASE_MS)) !== "renewed") throw new LeaseLost();
    this.leasedAt = now;
  }

  /** Sends what waits first; answers how many entries that was. */
  private async send(): Promise<number> {
    const entries = await this.queue.next(SEND_BYTES);
    const last = entries.at(-1);
    if (last === undefined) return 0;
    // What these keys hold upstream is not to be taken for what they hold here.
    for (const word of entries.flatMap((entry) => entry.commands.flat())) {
      if (this.isInside(word)) this.known.delete(nameOf(word));
    }
    const refusals = await this.link!.apply(this.client, entries);
    this.reporter.pending(await this.queue.trim(last.id));
    for (const refusal of refusals) this.refuse(entries, refusal);
    return entries.length;
  }

  private refuse(entries: readonly Entry[], { id, index, text }: Refusal): void {
    const command = entries.find((entry) => entry.id === id)?.commands[index] ?? [];
    // What it was to change is here what it is not there.
    for (const word of command.slice(1)) this.note(word);
    this.isStopped ||= this.settings.stops;
    this.reporter.refused(command, new UpstreamError(text.split(" ", 1)[0] ?? "ERR", text));
  }

  private note(key: Uint8Array): void {
    if (this.isInside(key) && !isRecord(this.prefix, key)) this.changed.add(nameOf(key));
  }

  private isInside(key: Uint8Array): boolean {
    return this.prefix.every((byte, index) => key[index] === byte);
  }

  /** Reads some of what has changed; whether there is nothing more to do now. */
  private async receive(): Promise<boolean> {
    const isListing = this.pass > this.finished && this.isListed;
    if (this.changed.size < READ_KEYS && this.finished < this.wanted && !isListing) await this.list();
    const names = [...this.changed].slice(0, READ_KEYS);
    if (names.length > 0) await this.read(names);
    if (this.changed.size > 0) {
      // What waits keeps keys from being read, until it may be sent.
      return this.isStopped && names.every((name) => this.changed.has(name));
    }
    if (this.pass > this.finished && this.isListed) {
      this.finished = this.pass;
      this.comparedAt = Date.now();
      if (this.finished === this.wanted) this.reporter.synced();
    }
    return this.finished === this.wanted;
  }

  /** Finds some of the keys that there are upstream, and in the end those that are here. */
  private async list(): Promise<void> {
    if (this.pass <= this.finished) {
      [this.pass, this.cursor, this.isListed] = [this.wanted, null, false];
      this.found.clear();
    }
    const { keys, cursor } = await this.link!.scan(this.cursor);
    for (const key of keys) {
      this.found.add(nameOf(key));
      this.note(key);
    }
    this.cursor = cursor;
    if (cursor !== null) return;
    await this.noteOwn();
    this.isListed = true;
  }

  /** Keys that are here may be gone upstream. */
  private async noteOwn(): Promise<void> {
    for (let cursor = "0"; ; ) {
      const [next, keys] = await this.queue.keys(cursor);
      for (const key of keys) if (!this.found.has(nameOf(key))) this.note(key);
      cursor = next;
      if (cursor === "0") return this.found.clear();
    }
  }

  private async read(names: readonly string[]): Promise<void> {
    for (const name of names) this.changed.delete(name);
    const values = await this.link!.read(names.map(bytesOf), names.map((name) => this.known.get(name)?.digest ?? ""));
    this.throwIfOver();
    const news = names.map((name, index) => ({ name, value: values[index]! })).filter((each) => this.isNews(each));
    if (news.length === 0) return;
    const keys = news.map(({ name }) => bytesOf(name));
    const applied = await this.queue.apply(keys, news.map(({ value }) => value));
    news.forEach(({ name, value }, index) => {
      const result = applied[index]!;
      if (result === true) this.known.set(name, { digest: value.digest, expiresAt: value.expiresAt });
      else if (result === false) this.changed.add(name);
      else this.reporter.conflict(keys[index]!, new UpstreamError(result.code, result.message));
      if (value.digest === "") this.known.delete(name);
    });
  }

  /** Whether a key is something else than when it was read last; if only its time is, all of it is read again. */
  private isNews({ name, value }: { readonly name: string; readonly value: Value }): boolean {
    if (value.digest === UNREAD) {
      this.changed.add(name);
      return false;
    }
    const known = this.known.get(name);
    if (known === undefined || known.digest !== value.digest) return true;
    if (known.expiresAt === value.expiresAt) return false;
    this.known.delete(name);
    this.changed.add(name);
    return false;
  }

  private throwIfOver(): void {
    if (this.failure) throw this.failure;
  }

  /** Waits until there is something to do. */
  private async rest(): Promise<void> {
    if (this.isAwake) return;
    const { compareMs } = this.settings;
    const due = compareMs > 0 ? this.comparedAt + compareMs - Date.now() : Infinity;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, Math.min(RENEW_MS, due)));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
  }
}
