// An upstream: the writes to some keys go to a real Redis, and what others write there comes back.
//
// What is queued are effects, one entry for each transaction, by the engine, in the unit of the write itself
// (src/engine/outbox.rs): a write that survives is queued, whatever happens to tabs, leaders and logs.
// One of the tabs sends (sender.ts), whichever has the lease that the engine gives out; it goes on where
// another one has ended, since upstream has the number of the last entry that it has applied, and that is
// checked and set in the script that applies entries (scripts.ts). So a request that was sent twice, by
// whomever, is done once. Numbers begin with the epoch of the leader that has given them, so that those of
// writes that were lost with a leader are not taken for others.
import { ClosedError, ReplyError } from "../errors.js";
import { Events } from "../events.js";
import { UpstreamError } from "./link.js";
import { type UpstreamOptions, type UpstreamSettings, upstreamSettings } from "./options.js";
import { CHANNEL, type Instance, Queue, type Status } from "./queue.js";
import { type Known, LEASE_MS, LeaseLost, type Reporter, Sender } from "./sender.js";
import { compareIds } from "./link.js";
import { textOf } from "./wire.js";

/**
 * `connecting`: it is about to connect; `online`: what is written goes upstream, and what changes there comes;
 * `offline`: it cannot be reached, and is tried again; `refused`: it wants another token or allows too
 * little, or has refused a command and `onRefused` says `stop`; `closed`: it was closed here.
 */
export type UpstreamState = "connecting" | "online" | "offline" | "refused" | "closed";

/** A command that upstream has refused, for good. */
export interface RefusedCommand {
  /** Its words as they were sent, its name first. */
  readonly command: readonly Uint8Array[];
  /** The same as text, its name in capital letters. */
  readonly text: readonly string[];
  /** What upstream has answered. */
  readonly error: UpstreamError;
}

/** What an upstream reports. But for `state` and `pending`, it is told in the tab that sends. */
export type UpstreamEvents = {
  /** Whether upstream can be reached is another one than before. */
  state: UpstreamState;
  /** How many transactions wait. */
  pending: number;
  /** Upstream has answered a command with an error. What its keys hold there is what they hold here by now, or soon. */
  refused: RefusedCommand;
  /** Why it is offline, or refused; or what of upstream cannot be had here. */
  error: UpstreamError;
  /** Everything was compared with upstream, and is here. */
  synced: undefined;
  /** There was no memory to queue so many transactions: their keys become what they are upstream. */
  lost: number;
};

/** How long the first pause between attempts is at least, and how often one that does not send asks, in milliseconds. */
const FIRST_MS = 250;
const ASK_MS = 2000;
/** What the engine says once nothing is queued any more. */
const GONE = "ERR there is no upstream";
/** A tab that does not send wants to know how the one that does is doing. */
const ASKED = "?";

/** What `redis.upstream()` answers. */
export class Upstream {
  /** Whether upstream can be reached, by whichever tab sends. */
  state: UpstreamState = "connecting";
  /** How many transactions wait, when that was last looked at. */
  pending = 0;
  /** Why it is offline or refused. */
  error: UpstreamError | undefined;
  private readonly events = new Events<UpstreamEvents>();
  private readonly queue: Queue;
  private sender: Sender | undefined;
  /** What keys are known to hold upstream, as long as this tab sends. */
  private readonly known = new Map<string, Known>();
  private isOver = false;
  private isResumed = false;
  private running: Promise<void> = Promise.resolve();
  private wake: (() => void) | undefined;
  private stop: () => Promise<unknown> = () => Promise.resolve();
  private readonly onOnline = (): void => this.wake?.();
  private readonly onAbort = (): void => void this.close();
  /** The page goes into the back/forward cache, which no page with a connection does, or for good. */
  private readonly onLeave = (): void => {
    this.isAway = true;
    this.sender?.close();
    this.queue.release().catch(() => {});
  };
  private readonly onCome = (): void => {
    this.isAway = false;
    this.wake?.();
  };
  private isAway = false;

  private constructor(
    private readonly redis: Instance,
    private readonly settings: UpstreamSettings,
    private readonly onClose: (upstream: Upstream) => void,
  ) {
    this.queue = new Queue(redis, randomId());
  }

  /** @internal Resolves once writes are queued. */
  static async begin(redis: Instance, options: UpstreamOptions, onClose: (upstream: Upstream) => void): Promise<Upstream> {
    const settings = upstreamSettings(options);
    settings.signal?.throwIfAborted();
    const upstream = new Upstream(redis, settings, onClose);
    const { database, prefix, maxPendingBytes } = settings;
    const client = await upstream.queue.attach(randomId(), database, prefix, maxPendingBytes).catch((error) => {
      const isOther = error instanceof ReplyError && error.message.includes("another prefix");
      throw isOther ? new UpstreamError("ELSEWHERE", error.message.replace(/^ERR /, "")) : error;
    });
    upstream.stop = await redis.subscribe(CHANNEL, (message) => upstream.heard(message));
    settings.signal?.addEventListener("abort", upstream.onAbort, { once: true });
    if (settings.signal?.aborted) void upstream.close();
    upstream.listens(true);
    upstream.running = upstream.run(client);
    return upstream;
  }

  /** Whether this tab is the one that sends. */
  get sends(): boolean {
    return this.sender !== undefined;
  }

  /** Calls `listener` when what it asks for happens; answers its removal. */
  on<E extends keyof UpstreamEvents>(event: E, listener: (value: UpstreamEvents[E]) => void): () => void {
    return this.events.on(event, listener);
  }

  /** Resolves once all that has been written before is upstream. */
  async flush(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { last } = await this.status();
    for (;;) {
      const { first } = await this.status();
      if (first === undefined || compareIds(first, last) > 0) return;
      await this.change(options.signal);
    }
  }

  /**
   * Compares everything with upstream; resolves once that is done.
   *
   * @throws UpstreamError `ELSEWHERE` if another tab sends.
   */
  async sync(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    let isDone = false;
    const off = this.on("synced", () => (isDone = true));
    try {
      for (let sender: Sender | undefined; !isDone; ) {
        if (this.sender === undefined && !(await this.mayBecomeSender())) {
          throw new UpstreamError("ELSEWHERE", "another tab sends: call it there");
        }
        if (this.sender !== sender) (sender = this.sender)?.compare();
        await this.change(options.signal);
      }
    } finally {
      off();
    }
  }

  /** Goes on at once, after a command was refused, or while a pause between attempts lasts. */
  resume(): void {
    this.isResumed = true;
    if (this.sender?.isStopped) {
      this.sender.isStopped = false;
      this.set("online");
    }
    this.sender?.nudge();
    this.wake?.();
  }

  /** Ends it for good: writes are queued no longer, and what waits is forgotten. Answers how much that was. */
  async detach(): Promise<number> {
    await this.close();
    return this.queue.detach();
  }

  /**
   * Ends the connection. Writes are queued as before, and sent once there is an upstream again, in this tab or
   * another one, now or after a reload. {@link detach} ends that too.
   */
  async close(): Promise<void> {
    if (!this.isOver) {
      this.isOver = true;
      this.sender?.close();
      this.wake?.();
      this.listens(false);
      this.settings.signal?.removeEventListener("abort", this.onAbort);
      this.set("closed");
      this.onClose(this);
      await this.stop().catch(() => {});
    }
    await this.running;
    this.events.clear();
  }

  /** `await using upstream = await redis.upstream(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether it hears what happens to the page. */
  private listens(does: boolean): void {
    const change = does ? globalThis.addEventListener : globalThis.removeEventListener;
    change?.call(globalThis, "online", this.onOnline);
    // Before the instance itself lets go of everything.
    change?.call(globalThis, "pagehide", this.onLeave, true);
    change?.call(globalThis, "pageshow", this.onCome);
  }

  /** Asks for the lease, works while there is one, and begins again. */
  private async run(client: string): Promise<void> {
    let pause = FIRST_MS;
    // Who leads had better send: nothing has to be asked of others then.
    if (this.redis.role === "replica" || this.redis.role === "thin") await this.sleep(FIRST_MS);
    while (!this.isOver) {
      try {
        if (this.isAway) {
          await this.sleep(ASK_MS);
          continue;
        }
        if (!(await this.lease())) {
          await this.queue.tell(ASKED);
          await this.sleep(ASK_MS);
          continue;
        }
        const sender = this.newSender(client, () => (pause = FIRST_MS));
        await sender.work();
      } catch (error) {
        this.sender = undefined;
        // Another tab may have detached it.
        if (error instanceof ClosedError || (error instanceof ReplyError && error.message === GONE)) break;
        if (this.isOver || this.isAway) continue;
        if (error instanceof LeaseLost || isLeaseLost(error)) {
          this.known.clear();
          continue;
        }
        this.failed(error instanceof Error ? error : new Error(String(error)));
        // Another one may send meanwhile: nobody else could, now.
        await this.sleep(pause / 2 + (Math.random() * pause) / 2, true);
        pause = Math.min(pause * 2, this.settings.maxBackoffMs);
        if (!this.isOver) this.set("connecting");
      }
    }
    this.sender = undefined;
    await this.queue.release().catch(() => {});
    if (!this.isOver) void this.close();
  }

  private newSender(client: string, onOnline: () => void): Sender {
    const reporter: Reporter = {
      online: () => {
        onOnline();
        this.error = undefined;
        this.set("online");
      },
      pending: (count) => this.count(count),
      refused: (command, error) => {
        const [name = "", ...rest] = command.map(textOf);
        this.events.emit("refused", { command, text: [name.toUpperCase(), ...rest], error });
        if (this.settings.stops) this.failed(error);
      },
      conflict: (key, error) => {
        this.events.emit("error", new UpstreamError(error.code, `${textOf(key)} cannot be had here: ${error.message}`));
      },
      synced: () => this.events.emit("synced", undefined),
      lost: (count) => this.events.emit("lost", count),
    };
    const sender = new Sender(this.queue, this.settings, client, reporter, this.known);
    this.sender = sender;
    return sender;
  }

  private failed(error: Error): void {
    const known = error instanceof UpstreamError ? error : new UpstreamError("LOCAL", error.message);
    this.error = known;
    const isRefused = known.code === "AUTH" || this.sender?.isStopped;
    this.set(isRefused ? "refused" : "offline");
    this.events.emit("error", known);
  }

  private set(state: UpstreamState): void {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.events.emit("state", state);
    this.tell();
  }

  private count(pending: number): void {
    if (this.pending === pending) return;
    this.pending = pending;
    this.events.emit("pending", pending);
    this.tell();
  }

  /** Tells other tabs. */
  private tell(): void {
    if (this.state === "closed" || !this.sends) return;
    const { state, pending } = this;
    this.queue.tell(JSON.stringify({ state, pending })).catch(() => {});
  }

  /** Hears that there is something to send, or how whoever sends is doing. */
  private heard(message: string): void {
    if (this.isOver) return;
    if (message === "") return this.sender?.nudge();
    if (message === ASKED) return this.tell();
    if (this.sends) return;
    const { state, pending } = JSON.parse(message) as { state: UpstreamState; pending: number };
    if (this.pending !== pending) this.events.emit("pending", (this.pending = pending));
    if (this.state !== state) this.events.emit("state", (this.state = state));
  }

  private async status(): Promise<Status> {
    if (this.isOver) throw new UpstreamError("CLOSED", "the upstream was closed");
    const status = await this.queue.status();
    if (status === undefined) throw new UpstreamError("CLOSED", "nothing is queued any more");
    return status;
  }

  /** Whether this tab is about to try to send. */
  private async mayBecomeSender(): Promise<boolean> {
    await this.status();
    return this.lease();
  }

  /** Asks to send; whether this tab may. If others may have sent meanwhile, what it knew is worth nothing. */
  private async lease(): Promise<boolean> {
    const lease = await this.queue.lease(LEASE_MS);
    if (lease !== "renewed") this.known.clear();
    return lease !== "no";
  }

  /** Waits until something may have changed. */
  private change(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const offs = (["pending", "synced", "state"] as const).map((event) => this.on(event, () => end(resolve)));
      const timer = setTimeout(() => end(resolve), FIRST_MS);
      const aborted = (): void => end(() => reject(signal!.reason));
      signal?.addEventListener("abort", aborted, { once: true });
      const end = (settle: () => void): void => {
        for (const off of offs) off();
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        settle();
      };
    });
  }

  /** Waits, but no longer than until it is closed or told to go on. */
  private async sleep(ms: number, keepsLease = false): Promise<void> {
    const end = Date.now() + ms;
    this.isResumed = false;
    for (let left = ms; left > 0 && !this.isOver && !this.isResumed; left = end - Date.now()) {
      let isWoken = false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, LEASE_MS / 4));
        this.wake = () => {
          isWoken = true;
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
      if (isWoken || !keepsLease || this.isOver) return;
      const status = await this.queue.status().catch(() => undefined);
      await this.lease().catch(() => {});
      if (status) this.count(status.pending);
    }
  }
}

/** Nobody else has it. There is no `randomUUID` in pages that came over plain HTTP. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof ReplyError && error.code === "NOLEASE";
}
