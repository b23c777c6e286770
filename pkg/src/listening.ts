import type { ReplyReader } from "./boundary/reply.js";
import type { Engine } from "./engine.js";
import { orThrow } from "./errors.js";
import type { Events } from "./events.js";
import type { HostEvents } from "./host.js";
import { type Changed, Invalidations } from "./invalidations.js";
import { orAborted } from "./requests.js";
import { changeOf, type Entry, type Space, Subscriptions } from "./subscribe.js";
import type { Reply } from "./types.js";

/** Takes a subscription back: when it is called, or at the end of a block with `await using`. */
export interface Stop extends AsyncDisposable {
  (): Promise<void>;
}

/** What listening needs of its host. */
export interface ListeningHost {
  readonly events: Events<HostEvents>;
  /** Runs a request that changes something, here or at the leader. */
  batch<T>(write: (engine: Engine) => void, read: (reader: ReplyReader) => T): Promise<T>;
  /** Settles once all calls that are under way now are answered. */
  answered(): Promise<unknown>;
  /** Live queries with these numbers are to be run again. */
  spoiled(queries: readonly number[]): void;
}

/** What one instance is told: messages of channels, lines of a monitor, keys that have changed. */
export class Listening {
  private readonly subscriptions = new Subscriptions((text, bytes) => this.heard(text, bytes));
  private readonly invalidations: Invalidations;

  constructor(private readonly host: ListeningHost) {
    this.invalidations = new Invalidations(
      () => host.answered(),
      ([text, bytes]) => {
        host.events.emit("invalidate", text);
        host.events.emit("invalidateBytes", bytes);
      },
    );
  }

  /** Adds a listener for several names, and listens to those until `signal` is aborted. */
  async listen(
    space: Space,
    names: string | readonly string[],
    entry: Entry,
    signal?: AbortSignal,
  ): Promise<Stop> {
    signal?.throwIfAborted();
    const wanted = [...new Set(typeof names === "string" ? [names] : names)];
    if (wanted.length === 0 || wanted.some((name) => typeof name !== "string")) {
      throw new TypeError("subscribe: a channel is a string, several are an array of strings");
    }
    const { subscriptions } = this;
    let stopped: Promise<unknown> | undefined;
    const aborted = (): void => void stop().catch(() => {});
    const stop = async (): Promise<void> => {
      signal?.removeEventListener("abort", aborted);
      const last = stopped ? [] : wanted.filter((name) => subscriptions.remove(space, name, entry));
      stopped ??= Promise.all(last.map((name) => this.change(space, name, false)));
      await stopped;
    };
    try {
      signal?.addEventListener("abort", aborted);
      for (const name of wanted) subscriptions.add(space, name, entry);
      // Also where another listener is there already: its subscription may still be on its way.
      await orAborted(Promise.all(wanted.map((name) => this.change(space, name, true))), signal);
    } catch (error) {
      await stop().catch(() => {});
      throw error;
    }
    return Object.assign(stop, { [Symbol.asyncDispose]: stop });
  }

  /** Takes RESP3 push frames. */
  receive(messages: Uint8Array): void {
    this.subscriptions.receive(messages);
  }

  /** A new session knows nothing of what this instance listens to. */
  resubscribe(): void {
    for (const [space, name] of this.subscriptions.names()) {
      this.change(space, name, true).catch(() => {});
    }
  }

  clear(): void {
    this.subscriptions.clear();
  }

  /** Sends SUBSCRIBE, UNSUBSCRIBE or their kin for one name, or MONITOR. */
  private change(space: Space, name: string, on: boolean): Promise<unknown> {
    const [command, args] = changeOf(space, name, on);
    return this.host.batch(
      (engine) => engine.writeFlat(command, args),
      (reader) => (reader.more ? orThrow(reader.next(false)) : null),
    );
  }

  /** A push that is no message of a channel; the others confirm subscriptions. */
  private heard([kind, text]: readonly Reply[], [, bytes]: readonly Reply[]): void {
    if (kind === "lodis.live") this.host.spoiled(text as number[]);
    if (kind === "invalidate") this.invalidations.add([text, bytes] as unknown as Changed);
    if (kind === "tracking-redir-broken") this.host.events.emit("redirectBroken", Number(text));
  }
}
