// Writes to stores, the same ones in pages, in workers and in Node.
export const VALUE = "0123456789abcdef0123456789abcdef";
const LARGE = 65_536;
export const key = (i) => `key:${String(i).padStart(12, "0")}`;

export async function timed(work) {
  const begun = performance.now();
  const result = await work();
  return [performance.now() - begun, result];
}

export function must(is, what) {
  if (!is) throw new Error(what);
}

/** Bytes that cannot be compressed, other ones for every number. */
function large(number) {
  const bytes = new Uint32Array(LARGE / 4);
  let word = number * 2_654_435_761 + 1;
  for (let i = 0; i < bytes.length; i++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    bytes[i] = word;
  }
  return new Uint8Array(bytes.buffer);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const infoOf = (redis, field) => Number(new RegExp(`${field}:(\\d+)`).exec(redis.sync.info("persistence"))[1]);

export const isRewriting = (redis) => infoOf(redis, "aof_rewrite_in_progress") === 1;

/** Writes to an instance that `open` opens. */
export async function lodisWriter(open) {
  let redis = await open();
  return {
    get redis() {
      return redis;
    },
    /** Everything is stored, and the log is not being written anew. */
    stored: async () => {
      while (redis.persistence.state !== "saved" || isRewriting(redis)) {
        // To look more often would cost more than what is measured.
        await pause(200);
      }
    },
    put: (name, value) => redis.set(name, value),
    putMany: (entries) => Promise.all(entries.map(([name, value]) => redis.set(name, value))),
    async get(name) {
      // Not from memory.
      await redis.close();
      redis = await open();
      const value = await redis.bytes.get(name);
      return value?.length === LARGE ? value : value && new TextDecoder().decode(value);
    },
  };
}

/** What a writer is asked for, in turn. */
export class Work {
  written = 0;

  constructor(writer) {
    this.writer = writer;
  }

  /** Milliseconds until so many writes, `times` times, were acknowledged; may wait until they are stored. */
  async write(kind, count, times, waits) {
    const [ms] = await timed(async () => {
      for (let i = 0; i < times; i++) {
        await this[kind](count);
        this.written += count;
      }
    });
    if (waits) await this.writer.stored?.();
    return ms;
  }

  /** Whether the last value written by `kind` is in the store. */
  async check(kind) {
    const found = await this.writer.get(key(this.written - 1));
    const wanted = kind === "large" ? large(this.written - 1) : VALUE;
    must(String(found) === String(wanted), `${kind}: ${String(found).slice(0, 80)}`);
  }

  async single(count) {
    for (let i = 0; i < count; i++) await this.writer.put(key(this.written + i), VALUE);
  }

  burst(count) {
    return this.writer.putMany(this.entries(count, () => VALUE));
  }

  large(count) {
    return this.writer.putMany(this.entries(count, large));
  }

  entries(count, valueOf) {
    return Array.from({ length: count }, (_, i) => [key(this.written + i), valueOf(this.written + i)]);
  }
}
