// Compiled, never run: the types that a user of the package sees.
import { type Atomic, AtomicError, type LiveQuery, open, type Redis, type Reply, ReplyError } from "lodis";
import { open as openFull, type OpenOptions } from "lodis/full";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(_: Same<A, B>): void {}

export async function uses(): Promise<void> {
  await using redis: Redis = await open("app", { store: "memory", databases: 4 });

  const text = await redis.get("a");
  is<typeof text, string | null>(true);
  const now = redis.sync.get("a");
  is<typeof now, string | null>(true);
  const bytes = await redis.bytes.get(new Uint8Array(2));
  is<typeof bytes, Uint8Array | null>(true);
  const many = await redis.bytes.mGet("a", ["b", "c"]);
  is<typeof many, (Uint8Array | null)[]>(true);
  const moved = await redis.bytes.rename("a", "b");
  is<typeof moved, "OK">(true);

  await redis.set("a", 1n, { EX: 10, NX: true, GET: undefined });
  await redis.set("a", 1.5, "EX", 10, "NX");
  await redis.mSet({ a: 1, b: new Uint8Array(1) });
  await redis.mset("a", 1, "b", 2);
  await redis.expire("a", 10, "NX");
  const replies = await redis.multi().incr("a").get("b").exec();
  if (replies?.[0] instanceof ReplyError) replies[0].code.toUpperCase();
  const stop: () => Promise<void> = await redis.subscribe(["a"], (message, channel) => {
    message.toUpperCase() + channel.toUpperCase();
  });
  await stop();
  await redis.bytes.pSubscribe("a*", (message, _channel, pattern) => message.byteLength + (pattern ?? "").length);

  const popped = await redis.blPop("a", ["b"], 0, { signal: new AbortController().signal });
  is<typeof popped, [key: string, element: string] | null>(true);
  const left = await redis.bytes.lPop("a");
  is<typeof left, Uint8Array | null>(true);
  const hash = await redis.hGetAll("a");
  is<typeof hash, { [field: string]: string }>(true);
  const fields = await redis.hmGet("a", "b", "c");
  is<typeof fields, (string | null)[]>(true);
  await redis.hSet("a", { b: 1, c: new Uint8Array(1) });
  await redis.hExpire("a", 10, "NX", "FIELDS", 1, "b");
  const members = await redis.sMembers("a");
  is<typeof members, string[]>(true);
  const score = await redis.zScore("a", "b");
  is<typeof score, number | null>(true);
  await redis.zAdd("a", "NX", 1, "b", 2.5, "c");
  const range = await redis.zRange("a", 0, -1, { REV: true });
  is<typeof range, string[]>(true);
  const id = await redis.xAdd("a", "*", "field", "value");
  is<typeof id, string>(true);
  const entries = await redis.xRange("a", "-", "+", { COUNT: 10 });
  is<typeof entries, [id: string, fields: string[]][]>(true);
  const streams = await redis.xRead("COUNT", 1, "BLOCK", 10, "STREAMS", "a", "$");
  is<typeof streams, { [key: string]: [id: string, fields: string[]][] } | null>(true);
  const dumped = await redis.bytes.dump("a");
  if (dumped) await redis.restore("b", 0, dumped, { REPLACE: true });
  const stored = await redis.waitAof(1, 0, 100);
  is<typeof stored, [local: number, replicas: number]>(true);

  redis.on("failed", (state) => state.state === "failed" && state.reason.toUpperCase());
  redis.on("role", (role) => is<typeof role, "alone" | "leader" | "replica" | "thin">(true));

  const file: Blob = await redis.exportRdb({ onProgress: (done) => done * 100 });
  const imported = await redis.importRdb(file, { signal: AbortSignal.timeout(1000) });
  is<typeof imported.skipped.functions, number>(true);
  await redis.importRdb((await fetch("/dump.rdb")).body!, { size: 1000 });

  const remaining = await redis.atomic((tx) => {
    is<typeof tx, Atomic>(true);
    const before = tx.get("a");
    is<typeof before, string | null>(true);
    const raw = tx.bytes.get("a");
    is<typeof raw, Uint8Array | null>(true);
    if (before === null) throw new AtomicError("CONFLICT");
    return { left: tx.decrBy("a", 1) };
  });
  is<typeof remaining, { left: number | bigint }>(true);
  await redis.atomic((tx) => void tx.set("a", 1));
  await redis.atomic((tx) => {
    tx.set("a", 1);
    throw new Error("never mind");
  });
  // @ts-expect-error the callback must be done when it returns
  await redis.atomic(async (tx) => tx.get("a"));
  // @ts-expect-error what the callback is given answers no promises
  await redis.atomic((tx) => tx.get("a")?.then());
  // @ts-expect-error it subscribes to nothing
  await redis.atomic((tx) => tx.pSubscribe("a", () => {}));

  const options: OpenOptions = { store: "memory" };
  const full: Redis = await openFull("app", options);
  await full.eval("return KEYS[1]", 1, "a");

  // @ts-expect-error a value is missing
  await redis.set("a");
  // @ts-expect-error too many arguments
  await redis.get("a", "b");
  // @ts-expect-error null is no argument
  await redis.get(null);
  // @ts-expect-error true is no argument
  await redis.set("a", true);
  // @ts-expect-error no such option
  await redis.set("a", "b", { EXX: 1 });
  // @ts-expect-error NX stands alone
  await redis.set("a", "b", { NX: 1 });
  // @ts-expect-error no such command
  await redis.nosuch("a");
  // @ts-expect-error no such option of open
  await open("app", { stor: "memory" });
  // @ts-expect-error a surface has no promise
  redis.sync.get("a").then(() => {});
  // @ts-expect-error a name is no file
  await redis.importRdb("dump.rdb");
  // @ts-expect-error a listener is missing
  await redis.subscribe("a");
}

export function follows(redis: Redis, key: string): void {
  const stop: () => void = redis.live(["GET", key], (value) => is<typeof value, string | null>(true), {
    signal: new AbortController().signal,
    onError: (error) => error.message,
  });
  stop();
  // A key is no subcommand, however many separators are in it.
  redis.live(["GET", "user:1 a.b-c_d.e f-g_h.i j-k_l.m n"], (value) => is<typeof value, string | null>(true));
  redis.live(["hgetall", "h"], (value) => is<typeof value, { [field: string]: string }>(true));
  redis.bytes.live(["LRANGE", "l", 0, -1], (value) => is<typeof value, Uint8Array[]>(true));
  redis.live(["OBJECT", "ENCODING", key], (value) => is<typeof value, string | null>(true));
  redis.live(["BITFIELD_RO", key, "GET", "u8", 0], (value) => is<typeof value, (number | bigint)[]>(true));
  redis.live(["ZRANGE", "board", "0", "9"], (value) => is<typeof value, string[]>(true));
  redis.live(["ZRANGE", "board", 0, 9, "WITHSCORES"], (value) => is<typeof value, [member: string, score: number][]>(true));
  redis.live(["ZRANGE", "board", 0, 9, { WITHSCORES: true }], (value) => is<typeof value, [member: string, score: number][]>(true));
  redis.live(["ZRANGE", key, 0, 9], (value) => is<typeof value, string[] | [member: string, score: number][]>(true));
  redis.live(["NOSUCH", key], (value) => is<typeof value, Reply>(true));
  const words: [string, ...string[]] = ["GET", key];
  redis.live(words, (value) => is<typeof value, Reply>(true));
  using query = redis.live(["SMEMBERS", "s"]);
  is<typeof query, LiveQuery<string[]>>(true);
  const now = query.getSnapshot();
  is<typeof now, string[] | undefined>(true);
  const error = query.error;
  is<typeof error, Error | undefined>(true);
  query.subscribe(() => {})();
  // @ts-expect-error a command has a name
  redis.live([], () => {});
  // @ts-expect-error a callback takes the reply of the command
  redis.live(["GET", key], (value: number) => value);
}
