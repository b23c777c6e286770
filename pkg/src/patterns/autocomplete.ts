import { type Call, keyOf, type RedisLike, text, transact, whole } from "./shared.js";

/** How terms are kept. */
export interface AutocompleteOptions {
  /** What terms are compared by: their lower case in NFKC, unless it is given. */
  readonly normalize?: (term: string) => string;
  /** Of so many terms with a beginning, those that weigh most are looked for: 1000. */
  readonly scan?: number;
  /** What the names of its keys begin with: `complete`. */
  readonly prefix?: string;
}

/** A term that was found. */
export interface Suggestion {
  /** As it was added. */
  readonly term: string;
  /** The sum of the weights that it was added with. */
  readonly weight: number;
}

/** Stands between what a term is compared by and the term. */
const BREAK = "\0";

/**
 * Completes what has been typed: terms that begin with it, those that weigh most first.
 *
 * @throws TypeError for a bad name or option.
 */
export function autocomplete(redis: RedisLike, name: string, options: AutocompleteOptions = {}): Autocomplete {
  return new Autocomplete(redis, text("autocomplete: the name", name), options);
}

/** See {@link autocomplete}. */
export class Autocomplete {
  private readonly terms: string;
  private readonly weights: string;
  private readonly scan: number;
  private readonly normalize: (term: string) => string;

  /** @internal */
  constructor(
    private readonly redis: RedisLike,
    /** What it is called. */
    readonly name: string,
    options: AutocompleteOptions,
  ) {
    const base = keyOf(text("autocomplete: prefix", options.prefix, "complete"), `{${name}}`);
    this.terms = keyOf(base, "terms");
    this.weights = keyOf(base, "weights");
    this.scan = whole("autocomplete: scan", options.scan, 1000, 1, 1_000_000);
    this.normalize = options.normalize ?? ((term) => term.normalize("NFKC").toLowerCase());
  }

  /** Adds a term, or to its weight: by 1. */
  async add(term: string, weight = 1): Promise<void> {
    if (!Number.isFinite(weight)) throw new TypeError("autocomplete: the weight is a number");
    await transact(this.redis, [
      ["ZADD", this.terms, 0, this.entry(term)],
      ["ZINCRBY", this.weights, weight, term],
    ]);
  }

  /** Takes a term out; answers whether it was in. */
  async remove(term: string): Promise<boolean> {
    const calls: Call[] = [["ZREM", this.terms, this.entry(term)], ["ZREM", this.weights, term]];
    return (await transact(this.redis, calls))[0] === 1;
  }

  /** Up to `count` (10) terms that begin with what was typed. */
  async complete(typed: string, count = 10): Promise<Suggestion[]> {
    whole("autocomplete: the count", count);
    const start = this.normalize(typed);
    if (start.includes(BREAK)) return [];
    const range = start === "" ? ["-", "+"] : [`[${start}`, after(start)];
    const found = await this.redis.call("ZRANGE", this.terms, ...range, "BYLEX", "LIMIT", 0, this.scan);
    const terms = (found as string[]).map((entry) => entry.slice(entry.indexOf(BREAK) + 1));
    if (terms.length === 0) return [];
    const weights = (await this.redis.call("ZMSCORE", this.weights, ...terms)) as (number | null)[];
    const all = terms.map((term, index) => ({ term, weight: Number(weights[index] ?? 0) }));
    // What weighs the same stays in its order.
    return all.sort((a, b) => b.weight - a.weight).slice(0, count);
  }

  private entry(term: string): string {
    const key = this.normalize(text("autocomplete: the term", term));
    if (key.includes(BREAK)) throw new TypeError("autocomplete: a term has no character 0");
    return `${key}${BREAK}${term}`;
  }
}

/** The end of everything that begins with `start`: no text has such a byte. */
function after(start: string): Uint8Array {
  const bytes = new TextEncoder().encode(`(${start} `);
  bytes[bytes.length - 1] = 0xff;
  return bytes;
}
