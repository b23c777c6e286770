// What the tabs of a test do with patterns, all at the same time, to be killed while they do.
import * as patterns from "/patterns.js";

const { cache, lock, queue, streamWorker, writeBehind } = patterns;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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

/**
 * Asks a cache for `target` keys, one after the other from `first` on, and notes in the store who loads what,
 * and what is got. Once it is told to stop, it does not come to the end of a load.
 */
async function read({ redis, ask, id, told }, { target, first, loadMs }) {
  const values = cache(redis, { ttlMs: 3_600_000, loadMs });
  const load = async (key) => {
    await ask("INCR", redis.incr(`loads:${key}`));
    told.loads = told.isStopped ? key : undefined;
    await new Promise((resolve) => told.isStopped || setTimeout(resolve, 5));
    return { key, by: id };
  };
  while (told.progress < target) {
    const key = `k${(first + told.progress) % target}`;
    const value = await ask(`get ${key}`, values.get(key, load));
    if (value.key !== key) throw new Error(`${key} is ${JSON.stringify(value)}`);
    await ask("SADD", redis.sadd(`got:${key}`, value.by));
    told.progress++;
  }
}

/** Adds so many jobs, some of which are to be begun later, and some of which have names. */
async function enqueue({ redis, ask, told }, { name, jobs }) {
  const own = queue(redis, name, { maxAttempts: 20 });
  while (told.progress < jobs) {
    const number = told.progress;
    const options = { delayMs: number % 10 === 3 ? 100 : 0, id: number % 7 === 3 ? `named ${number}` : undefined };
    await ask("add", own.add(number, options));
    told.progress++;
  }
}

/** Works until it is stopped, and notes in the store what it has handled. Some jobs fail the first time. */
async function labour({ redis, ask, id, told }, { name, concurrency, visibilityMs }) {
  const handle = async ({ data, attempt }) => {
    if (data % 5 === 0 && attempt === 1) throw new Error("as wanted");
    await ask("RPUSH", redis.rpush(`${name}:handled`, `${data} ${id}`));
    told.progress++;
  };
  const onError = (error, job) => {
    // A tab that had no time for long may be told that others have its jobs.
    if (error.message !== "as wanted" && error.code !== "LOST") told.wrong = `${job}: ${error}`;
  };
  const options = { concurrency, visibilityMs, pollMs: 500, backoff: { baseMs: 20 }, onError };
  const worker = queue(redis, name).work(handle, options);
  while (!told.isStopped) await pause(20);
  await ask("stop", worker.stop());
}

/** Adds so many entries to a stream. */
async function tell({ redis, ask, told }, { stream, entries }) {
  while (told.progress < entries) {
    await ask("XADD", redis.xadd(stream, "*", "n", told.progress));
    told.progress++;
  }
}

/** Works through a stream until it is stopped, and notes in the store what it has handled. */
async function follow({ redis, ask, id, told }, { stream, concurrency, claimIdleMs }) {
  const handle = async ({ fields }) => {
    await ask("RPUSH", redis.rpush(`${stream}:handled`, `${fields.n} ${id}`));
    told.progress++;
  };
  const onError = (error, entry) => {
    if (error.code !== "LOST") told.wrong = `${entry}: ${error}`;
  };
  const worker = streamWorker(redis, stream, handle, { group: "g", concurrency, claimIdleMs, onError });
  while (!told.isStopped) await pause(20);
  await ask("stop", worker.stop());
}

/**
 * Sets values that are written behind, `target` times, and writes what all tabs have set, if it is its turn. What
 * was accepted, and what was written, is noted in the store.
 */
async function save({ redis, ask, id, told }, { name, target, ttlMs }) {
  const behind = writeBehind(redis, name);
  const write = async (changes, { token }) => {
    told.token = token;
    const entries = changes.map((change) => JSON.stringify({ ...change, token }));
    await ask("RPUSH", redis.rpush(`${name}:written`, entries));
  };
  const onError = (error) => {
    if (error.code !== "LOST") told.wrong = String(error);
  };
  const flusher = behind.flush(write, { ttlMs, batch: 5, coalesce: false, onError });
  while (told.progress < target || !told.isStopped) {
    const key = `k${told.progress % 7}`;
    const change = await ask("set", behind.set(key, `${id} ${told.progress}`));
    await ask("RPUSH", redis.rpush(`${name}:accepted`, change));
    told.progress++;
    await pause(5);
  }
  await ask("flushed", behind.flushed());
  await ask("stop", flusher.stop());
}

export const patternJobs = { enqueue, follow, guard, labour, limit, read, save, tell };
