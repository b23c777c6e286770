export { bytes, cache, json } from "./patterns/cache.js";
export type { Cache, CacheOptions, EntryOptions, GetOptions, Load, Serializer } from "./patterns/cache.js";
export { fixedWindow, slidingLog, slidingWindow, tokenBucket } from "./patterns/rate-limit.js";
export type { BucketOptions, LimitResult, RateLimiter, WindowOptions } from "./patterns/rate-limit.js";
export { lock } from "./patterns/lock.js";
export type { AcquireOptions, HeldLock, Lock, LockOptions } from "./patterns/lock.js";
export { PatternError } from "./patterns/shared.js";
export type { PatternErrorCode, RedisLike, TxLike, Word } from "./patterns/shared.js";
