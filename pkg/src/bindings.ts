// What the bindings of frameworks share.
import type { Redis } from "./redis.js";

/** An instance, or the promise of one, or none: yet, or here. */
export type Source = Redis | PromiseLike<Redis> | null | undefined;

/** Whether there is an instance already. */
export function isOpen(source: Source): source is Redis {
  return source !== null && source !== undefined && "live" in source;
}
