// What the tests of patterns share: instances of both kinds, a clock that is set, chance that repeats.
import { open, type Redis } from "lodis";
import { PatternError, type RedisLike } from "lodis/patterns";
import { afterEach, expect, vi } from "vitest";

/** What a client has to have, and no more: as a tab without a copy, and as a client of another make. */
export function plain(redis: Redis): RedisLike {
  return {
    call: (name, ...args) => redis.call(name, ...args),
    bytes: { call: (name, ...args) => redis.bytes.call(name, ...args) },
    multi: () => redis.multi(),
    subscribe: (channel, listener) => redis.subscribe(channel, listener),
  };
}

/** Every pattern does the same with these. */
export const KINDS: readonly [kind: string, of: (redis: Redis) => RedisLike][] = [
  ["an instance", (redis) => redis],
  ["a plain client", plain],
];

const opened: Redis[] = [];

/** An instance that is closed after the test. */
export async function instance(): Promise<Redis> {
  const redis = await open("patterns", { store: "memory" });
  opened.push(redis);
  return redis;
}

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.splice(0).map((redis) => redis.close()));
});

/** Where the clock of a test begins. */
export const START = 1_800_000_000_000;

/** Has the clock, that of the engine as well, stand still until it is set. */
export function setClock(now = START): (ms: number) => void {
  vi.useFakeTimers({ toFake: ["Date"], now });
  return (ms) => void vi.setSystemTime(ms);
}

/** Waits for what is expected; unlike `vi.waitFor`, it leaves a clock that stands still alone. */
export async function eventually(expected: () => unknown): Promise<void> {
  for (const end = performance.now() + 20_000; ; ) {
    try {
      return void (await expected());
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Numbers below a bound, the same ones for the same seed. */
export function chance(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

export const SEED = Number(process.env.LODIS_SEED ?? Math.floor(Math.random() * 1_000_000));

/** Sees that it is refused with a PatternError of that code. */
export async function refused(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    (value) => expect.unreachable(`no error, but ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(PatternError);
  expect((error as PatternError).code).toBe(code);
}

/** Options that are no good: each is refused with a TypeError that says what is wrong. */
export function expectRefused(cases: readonly [message: string, call: () => unknown][]): void {
  for (const [message, call] of cases) expect(call, message).toThrow(new TypeError(message));
}
