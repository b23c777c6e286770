// Compiled, never run: what a command takes and what it does not, as words and as options, and what of it
// changes the type of the reply.
import { type Multi, type Pipeline, type Redis, ReplyError } from "lodis";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(_: Same<A, B>): void {}
type Scored = [member: string, score: number][];

export async function words(redis: Redis): Promise<void> {
  const plain = redis.sync.zRange("z", 0, -1);
  is<typeof plain, string[]>(true);
  const scored = redis.sync.zRange("z", 0, -1, "rev", "LIMIT", 0, 10, "WITHSCORES");
  is<typeof scored, Scored>(true);
  const byOption = redis.sync.zrange("z", 0, -1, { REV: true, WITHSCORES: true });
  is<typeof byOption, Scored>(true);
  const off = redis.sync.zRange("z", 0, -1, { WITHSCORES: false, LIMIT: [0, 10] });
  is<typeof off, string[]>(true);
  const unknown = redis.sync.zRange("z", 0, -1, { WITHSCORES: Math.random() > 0.5 });
  is<typeof unknown, string[] | Scored>(true);
  const given: string[] = [];
  const spread = redis.sync.zRange("z", 0, -1, ...given);
  is<typeof spread, string[] | Scored>(true);
  const bytes = redis.sync.bytes.zRange("z", 0, -1, "WITHSCORES");
  is<typeof bytes, [member: Uint8Array, score: number][]>(true);
  const union = redis.sync.zUnion(2, "a", given[0] ?? "", "WEIGHTS", 1, 2, "AGGREGATE", "max", "WITHSCORES");
  is<typeof union, Scored>(true);
  const keys = redis.sync.zUnion(2, given);
  is<typeof keys, string[]>(true);

  await redis.set("a", 1, "NX", "EX", 10, "GET");
  await redis.set("a", 1, "px", 10n);
  await redis.set("a", 1, { IFEQ: "b", KEEPTTL: true });
  await redis.xAdd("s", "NOMKSTREAM", "MAXLEN", "~", 10, "*", "limit", "5");
  await redis.xAdd("s", "MAXLEN", "=", 10, "LIMIT", 5, "1-1", { a: 1 });
  await redis.xRead({ COUNT: 1, STREAMS: ["a", "b", "$", "0"], signal: AbortSignal.timeout(1) });
  await redis.xRead("COUNT", 1, "STREAMS", ["a"], "$", { signal: undefined });
  await redis.hExpire("h", 10, "FIELDS", 2, "nx", "fields");
  await redis.geoSearch("g", "FROMLONLAT", 1, 2, "BYBOX", 1, 2, "km", "COUNT", 1, "ANY", "ASC");
  await redis.geoSearch("g", { FROMMEMBER: "a", BYRADIUS: [1, "km"], COUNT: 1, ANY: true });
  await redis.sort("l", "BY", "*", "GET", "#", "GET", "a*", "LIMIT", 0, 1, "DESC", "ALPHA");
  await redis.sort("l", { GET: ["#", "a*"] });
  await redis.bitField("b", "OVERFLOW", "sat", "INCRBY", "u8", 0, 1, "GET", "u8", 0);
  await redis.clientKill("TYPE", "normal", "SKIPME", "no");
  await redis.config("SET", { maxmemory: "1mb" });
  const maximum = redis.sync.config("get", "maxmemory");
  is<typeof maximum, Record<string, string>>(true);
  await redis.blmPop(0, 2, "a", "b", "LEFT", "COUNT", 2, { signal: new AbortController().signal });
  await redis.blPop(["a", "b"], 0);

  const bad = redis.sync;
  // @ts-expect-error no such token
  bad.zRange("z", 0, -1, "WITHSCORE");
  // @ts-expect-error the second number of LIMIT is missing
  bad.zRange("z", 0, -1, "LIMIT", 0);
  // @ts-expect-error an option that does not exist, beside one that does
  bad.zRange("z", 0, -1, { REV: true, WITHSCORE: true });
  // @ts-expect-error LIMIT has two numbers
  bad.zRange("z", 0, -1, { LIMIT: 1 });
  // @ts-expect-error seconds are missing
  bad.set("a", 1, "EX");
  // @ts-expect-error null is no argument
  bad.set("a", 1, "EX", null);
  // @ts-expect-error any word is no option
  bad.set("a", 1, given[0]);
  // @ts-expect-error no such aggregate
  bad.zUnion(1, "a", "AGGREGATE", "AVG");
  // @ts-expect-error the keys are missing
  bad.zUnion(1);
  // @ts-expect-error a member is missing
  bad.zAdd("z");
  // @ts-expect-error nothing to add
  bad.xAdd("s", "*");
  // @ts-expect-error STREAMS is missing
  bad.xRead("COUNT", 1);
  // @ts-expect-error STREAMS is missing
  bad.xRead({ COUNT: 1 });
  // @ts-expect-error FIELDS is missing
  bad.hExpire("h", 10, "NX");
  // @ts-expect-error no such unit
  bad.geoSearch("g", "FROMMEMBER", "a", "BYRADIUS", 1, "miles");
  // @ts-expect-error what to search by is missing
  bad.geoSearch("g", "FROMMEMBER", "a");
  // @ts-expect-error no such condition
  bad.expire("a", 1, "NXX");
  // @ts-expect-error no such subcommand
  bad.config("PUT", "a");
  // @ts-expect-error the end is missing
  bad.bitCount("a", 1);
  // @ts-expect-error the timeout is missing
  bad.blPop("a");
  // @ts-expect-error a signal is an AbortSignal
  redis.blPop("a", 0, { signal: true });
  // @ts-expect-error what does not wait takes no signal
  bad.getEx("a", { signal: new AbortController().signal });
}

export async function chains(redis: Redis): Promise<void> {
  const answers = await redis.multi().incr("a").get("b").zRange("z", 0, -1, "WITHSCORES").exec();
  is<typeof answers, [number | bigint | ReplyError, string | null | ReplyError, Scored | ReplyError] | null>(true);
  const bytes = await redis.bytes.pipeline().get("b").call("GET", "b").del("b").exec();
  const [value, , deleted] = bytes;
  is<typeof value, Uint8Array | null | ReplyError>(true);
  is<typeof deleted, number | ReplyError>(true);
  const now = redis.sync.pipeline().hGetAll("h").execSync();
  is<typeof now, [{ [field: string]: string } | ReplyError]>(true);

  let later: Pipeline = redis.pipeline();
  for (const key of ["a", "b"]) later = later.get(key);
  const many = await later.exec();
  many[1] instanceof ReplyError;
  const filled = redis.multi();
  filled.incr("a");
  const some = await filled.exec();
  some?.[0] instanceof ReplyError;
  const take = (multi: Multi) => multi.length;
  take(redis.multi().incr("a"));
}
