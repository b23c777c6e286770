// What the tabs of a test do with patterns, all at the same time, to be killed while they do.
import * as patterns from "/patterns.js";

const { lock } = patterns;

/**
 * Acquires a lock, `target` times and until it is stopped, and does under it what no two may do at once: what
 * it finds there says whether another has been there meanwhile.
 */
async function guard({ redis, ask, id, told }, { name, target, ttlMs }) {
  const own = lock(redis, name, { ttlMs });
  while (told.progress < target || !told.isStopped) {
    const held = await ask("acquire", own.acquire());
    told.holds = true;
    const entry = `${id} ${held.token}`;
    await ask("RPUSH", redis.rpush(`${name}:log`, `in ${entry}`));
    const value = Number(await ask("GET", redis.get(`${name}:value`)));
    await ask("SET", redis.set(`${name}:value`, String(value + 1)));
    await ask("RPUSH", redis.rpush(`${name}:log`, `${held.isHeld ? "out" : "late"} ${entry}`));
    await ask("release", held.release());
    told.holds = false;
    told.progress++;
  }
}

/** Calls a limiter, `calls` times, and counts in the store what went through. */
async function limit({ redis, ask, id, told }, { kind, options, calls }) {
  const limiter = patterns[kind](redis, { ...options, prefix: kind });
  while (told.progress < calls) {
    const { allowed } = await ask(kind, limiter.limit("all"));
    if (allowed) await ask("INCR", redis.incr(`${kind}:${id}`));
    told.progress++;
  }
}

export const patternJobs = { guard, limit };
