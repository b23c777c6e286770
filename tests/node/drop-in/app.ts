// An app that knows nothing of Lodis.
import Redis from "ioredis";
import { createClient } from "redis";

export const redis = new Redis(process.env.REDIS_URL || "redis://localhost:6379");
export const cache = createClient({ url: "redis://cache.internal:6379" });

/** Counts a visit, at most `limit` in a minute. */
export async function visit(page: string, limit: number): Promise<number> {
  const [[, visits]] = (await redis.multi().incr(`visits:${page}`).expire(`visits:${page}`, 60, "NX").exec()) as [[null, number]];
  if (visits > limit) throw new Error("too many visits");
  return visits;
}

/** What `make` makes, from the cache if it is there. */
export async function cached(key: string, make: () => string): Promise<string> {
  if (!cache.isOpen) await cache.connect();
  const known = await cache.get(key);
  if (known !== null) return known;
  const made = make();
  await cache.set(key, made, { expiration: { type: "EX", value: 10 } });
  return made;
}
