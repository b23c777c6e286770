import { Cache, type GetOptions } from "./cache.js";
import { callable, type RedisLike, text, whole } from "./shared.js";

/** How long what was done is remembered. */
export interface OnceOptions {
  /** What came of it is kept for so long, in milliseconds: 86,400,000, a day. */
  readonly ttlMs?: number;
  /** It has failed if it takes longer, in milliseconds: 30,000. So long others wait for a tab that died. */
  readonly runMs?: number;
  /** What the names of its keys begin with: `once`. */
  readonly prefix?: string;
}

/** Calls what is to be done once for a key. */
export interface Once {
  /**
   * Calls `action`, and answers what it has answered, which is something in JSON, or undefined. Whoever calls
   * with the same key, meanwhile or later, is answered the same, and nothing is done again.
   *
   * @throws What `action` throws, which is not kept: the next call does it anew. PatternError `TIMEOUT`.
   */
  run<T>(key: string, action: (context: { readonly signal: AbortSignal }) => Promise<T> | T, options?: Pick<GetOptions, "signal">): Promise<T>;
  /** Forgets what came of it. */
  forget(key: string): Promise<void>;
}

/**
 * Idempotency keys: what has succeeded once for a key, in any tab, is not done again. If the tab dies before it
 * has noted that, it is: an action that must not be repeated at all has to take the key with it.
 *
 * @throws TypeError for bad options.
 */
export function once(redis: RedisLike, options: OnceOptions = {}): Once {
  const results = new Cache<{ readonly value?: unknown }>(redis, {
    ttlMs: whole("once: ttlMs", options.ttlMs, 86_400_000),
    loadMs: whole("once: runMs", options.runMs, 30_000),
    prefix: text("once: prefix", options.prefix, "once"),
    jitter: 0,
  });
  return {
    async run<T>(key: string, action: (context: { readonly signal: AbortSignal }) => Promise<T> | T, { signal }: Pick<GetOptions, "signal"> = {}) {
      callable("once: the action", action);
      const load = async (_: string, context: { readonly signal: AbortSignal }) => ({ value: await action(context) });
      const done = await results.get(text("once: the key", key), load, signal ? { signal } : {});
      return done!.value as T;
    },
    forget: (key) => results.invalidate(key),
  };
}
