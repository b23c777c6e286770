// The methods of the package beside the command table: all are there, they take what a command takes, and answer
// what their types say.
import type { Redis } from "lodis";
import { open } from "lodis/full";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Comparison, Declared } from "./declared.js";
import { callsOf, forms, type Input } from "./forms.js";

const HEAD = `
import type { Commands } from "lodis";
declare const text: string;
declare const redis: Commands<"sync">;
declare const bytes: Commands<"sync bytes">;`;

/** Commands that are other methods of the package, or none since they would change the protocol under it. */
const WRAPPED = new Set(
  `client|reply discard exec hello monitor multi psubscribe punsubscribe quit reset role ssubscribe subscribe
  sunsubscribe sync unsubscribe`.split(/\s+/),
);

let redis: Redis;
let names: string[];
beforeEach(async () => {
  redis = await open("surface");
  const docs = await redis.commandDocs();
  names = Object.entries(docs).flatMap(([name, { subcommands = {} }]) => [name, ...Object.keys(subcommands)]);
  names = names.filter((name) => !WRAPPED.has(name));
});
afterEach(() => redis.close());

const lower = (name: string) => name.replaceAll(/[|_-]/g, "");

/** Everything that has all commands. */
async function surfaces(): Promise<[string, object][]> {
  const found = [redis, redis.sync, redis.bytes, redis.sync.bytes, redis.multi(), redis.pipeline()] as object[];
  await redis.atomic((tx) => void found.push(tx, tx.bytes));
  return found.map((surface) => [surface.constructor.name, surface]);
}

test("every command and subcommand is a method in both spellings, on every surface", { timeout: 120_000 }, async () => {
  expect(names.length).toBeGreaterThan(300);
  const declared = new Declared(HEAD, ["redis.get(text)"]);
  const types = declared.names(declared.checker.getTypeAtLocation(declared.object(0)));
  const camel = new Map([...types].filter((name) => name !== name.toLowerCase()).map((name) => [name.toLowerCase(), name]));
  for (const [surface, object] of await surfaces()) {
    for (const name of names) {
      const methods = [lower(name), camel.get(lower(name)) ?? lower(name)];
      for (const method of methods) {
        expect(object, `${surface}.${method}`).toHaveProperty(method, expect.any(Function));
        expect(types).toContain(method);
      }
    }
  }
  // One word, or several that are not known to be ones.
  const same = names.filter((name) => !camel.has(lower(name)));
  expect(same.filter((name) => name.includes("|"))).toEqual([]);
});

/** A call of a form: its method, its arguments, and how it is written. */
interface Call {
  readonly method: string;
  readonly inputs: readonly Input[];
  readonly source: string;
}

/** The calls that are meant: of a subcommand, as a method of its own and of its container. */
function callsOfWords(words: readonly Input[]): Call[] {
  const made = (name: string, inputs: readonly Input[]): Call => {
    const method = lower(name);
    return { method, inputs, source: `${method}(${inputs.map(({ source }) => source).join(", ")})` };
  };
  const [command, subcommand] = words.map(({ value }) => String(value).toLowerCase());
  const whole = `${command}|${subcommand}`;
  if (names.includes(whole)) return [made(command!, words.slice(1)), made(whole, words.slice(2))];
  return names.includes(command!) ? [made(command!, words.slice(1))] : [];
}

/** Something for every kind of key that forms name. */
function fill(): void {
  const { sync } = redis;
  sync.set("string", "1");
  sync.set("bits", "ab");
  sync.rPush("list", "m1", "1", "2");
  sync.hSet("hash", { f1: "1", f2: "2" });
  sync.sAdd("set", "m1", "1");
  sync.zAdd("zset", 1, "m1", 2, "m2");
  sync.geoAdd("geo", 13, 38, "m1", 14, 39, "m2");
  sync.pfAdd("hll", "a");
  sync.xAdd("stream", "1-1", { f1: "1" });
  sync.xAdd("stream", "1-2", { f1: "1" });
  sync.xGroupCreate("stream", "g1", 0);
  sync.xReadGroup("GROUP", "g1", "c1", "COUNT", 1, "STREAMS", "stream", ">");
}

/** What the forms do not have: commands one after the other, so that everything that a type says is seen. */
const MORE = `
TYPE list ; TYPE hash ; TYPE set ; TYPE zset ; TYPE stream
BITFIELD bits SET i64 0 9223372036854775807 ; BITFIELD_RO bits GET i64 0
COMMAND ; COMMAND INFO ; COMMAND INFO nosuch ; COMMAND DOCS
EXPIRE string 100 ; PERSIST string ; RENAMENX string other ; COPY list hash
SET string 1 ; SELECT 1 ; SET string 1 ; SELECT 0 ; MOVE string 1
SORT list BY nosort GET nokey_* ; SORT_RO list BY nosort GET nokey_*
HINCRBY hash f1 9223372036854775800
HEXPIRE hash 0 FIELDS 1 f1 ; HPEXPIRE hash 0 FIELDS 1 f2
HEXPIREAT hash 1 FIELDS 1 f1 ; HPEXPIREAT hash 32503680000000 FIELDS 1 f2 ; HPERSIST hash FIELDS 1 f2
HPEXPIREAT hash 1 FIELDS 1 f2
SCRIPT EXISTS 0000
ZADD zset XX INCR 1 nobody ; ZADD zset INCR 1 m1
XGROUP DESTROY stream nogroup ; XGROUP CREATECONSUMER stream g1 c9
XREADGROUP GROUP g1 c1 STREAMS stream > ; XREADGROUP GROUP g1 c1 STREAMS stream >
XDEL stream 1-1 ; XREADGROUP GROUP g1 c1 STREAMS stream 0
XGROUP CREATE stream g2 0 ; XPENDING stream g2 ; XPENDING stream g1 IDLE 0 - + 10 c1
XTRIM stream MAXLEN 0 ; XINFO STREAM stream
XADD stream 1-3 a b ; XGROUP CREATE stream g3 1-1 ; XDEL stream 1-2 ; XINFO GROUPS stream ; XINFO STREAM stream FULL
XGROUP CREATE stream g2 0 ; XREADGROUP GROUP g2 c STREAMS stream > ; XACKDEL stream g1 ACKED IDS 1 1-1
XGROUP CREATE stream g4 $ ; XREADGROUP GROUP g4 c CLAIM 1000 STREAMS stream >
XADD stream NOMKSTREAM * a b ; XAUTOCLAIM stream g1 c2 0 0 ; XCLAIM stream g1 c2 0 1-1
SET string 9007199254740993 ; INCR string ; INCRBY string 1 ; DECR string ; DECRBY string 1
CONFIG SET maxmemory-policy allkeys-lfu ; OBJECT FREQ string ; CONFIG SET maxmemory-policy noeviction
CLIENT TRACKING ON OPTIN ; CLIENT CACHING YES ; CLIENT TRACKING OFF
CLIENT KILL TYPE pubsub ; AUTH default x ; AUTH nobody x ; ACL LOG ; ACL DRYRUN other SET string 1
FUNCTION LOAD REPLACE <library> ; FCALL one 1 string ; FCALL_RO two 0 ; FUNCTION LIST WITHCODE ; FUNCTION LIST ; FUNCTION DELETE one
CONFIG SET latency-monitor-threshold 1 ; DEBUG SLEEP 0.005 ; LATENCY LATEST
LATENCY HISTORY command ; CONFIG SET latency-monitor-threshold 0 ; LATENCY HISTOGRAM
CONFIG SET slowlog-log-slower-than 0 ; GET string ; SLOWLOG GET ; CONFIG SET slowlog-log-slower-than 10000
GEOSEARCH geo FROMMEMBER m1 BYRADIUS 1000 km WITHCOORD WITHDIST WITHHASH COUNT 2
LCS string bits IDX MINMATCHLEN 0 WITHMATCHLEN ; LPOS list m1 COUNT 0 ; EVAL return(1) 0
HSCAN hash 0 NOVALUES ; ZRANDMEMBER zset 2 WITHSCORES ; HRANDFIELD hash 2 WITHVALUES
`;

/** Those that answer errors here: no store, no cluster, no modules, no script that runs; or need bytes. */
const ERRORS = `aclload aclsave asking bgrewriteaof bgsave cluster configrewrite failover functionkill functionrestore latencygraph
  moduleload moduleloadex moduleunload readonly readwrite restore save scriptkill shutdown`.split(/\s+/);

/** Those whose reply may be anything. */
const ANYTHING = "cluster debug eval evalro evalsha evalsharo fcall fcallro pfdebug".split(" ");

/** Alternatives that take another client or a script that runs, and those that only few commands have. */
const UNSEEN = /^(clientunblock|client): 0 \| 1: 1$|running_script: \{|^function.*flags|^command.*(\[9\]\[\]|flags\[\]: |\[\]\[1\]\[\]: )/;

/** Compares all replies of one surface; answers what is wrong. */
async function compared(surface: "redis" | "bytes", sequences: readonly (readonly Call[])[]): Promise<string[]> {
  const declared = new Declared(HEAD, sequences.flat().map(({ source }) => `${surface}.${source}`));
  const [comparison, errors] = [new Comparison(declared.checker), declared.errors()];
  const [wrong, answered] = [new Set<string>(), new Set<string>()];
  const on = (surface === "redis" ? redis : redis.bytes) as unknown as Record<string, (...input: unknown[]) => Promise<unknown>>;
  const call = async ({ method, inputs, source }: Call, index: number, filled: boolean) => {
    let reply: unknown;
    try {
      reply = await on[method]!(...inputs.map(({ value }) => value));
    } catch {
      return;
    }
    answered.add(method);
    const [error] = errors[index]!;
    if (error !== undefined) {
      // Where there is no key, not every word is looked at.
      if (filled) wrong.add(`${source} is answered, but ${error}`);
    } else if (!ANYTHING.includes(method)) {
      const type = declared.type(index);
      const difference = comparison.difference(reply, type, `${method}: ${comparison.text(type)}`);
      if (difference) wrong.add(`${source}: ${difference}`);
    }
  };
  for (const filled of [true, false]) {
    let index = 0;
    for (const sequence of sequences) {
      redis.sync.select(0);
      redis.sync.flushAll();
      if (filled) fill();
      for (const each of sequence) await call(each, index++, filled);
    }
  }
  const unseen = [...comparison.seen].filter(([name, seen]) => !seen && !UNSEEN.test(name));
  for (const [name] of unseen) wrong.add(`never seen: ${name}`);
  const silent = names.map(lower).filter((name) => !answered.has(name) && !ERRORS.includes(name));
  for (const name of silent) wrong.add(`never answered: ${name}`);
  return [...wrong];
}

test.each(["redis", "bytes"] as const)(
  "what a command takes is admitted, and its reply is of the type that the call has (%s)",
  { timeout: 240_000 },
  async (surface) => {
    const single = (await forms()).flatMap((words) => callsOfWords(words).map((call) => [call]));
    const unique = [...new Map(single.map((sequence) => [sequence[0]!.source, sequence])).values()];
    const lines = MORE.split("\n").filter((line) => line !== "");
    const more = lines.flatMap((line) => {
      const all = line.split(" ; ").map((command) => callsOfWords(callsOf(command)[0]!));
      return [all.map((calls) => calls[0]!), all.map((calls) => calls.at(-1)!)];
    });
    expect(await compared(surface, [...unique, ...more])).toEqual([]);
  },
);

test("what no command takes is refused: too few arguments, too many, null", { timeout: 120_000 }, async () => {
  const info = (await redis.commandInfo(...names)).map((each) => each!);
  const cases = info.flatMap(([name, arity], index) => {
    const method = lower(names[index]!);
    const fewest = Math.abs(arity) - names[index]!.split("|").length;
    const texts = (count: number) => Array<string>(count).fill("text");
    const calls = [[...texts(Math.max(fewest, 1)), "null"]];
    if (fewest > 0) calls.push(texts(fewest - 1));
    if (arity > 0 && name !== "") calls.push(texts(fewest + 1));
    return calls.map((call) => `redis.${method}(${call.join(", ")})`);
  });
  const errors = new Declared(HEAD, cases).errors();
  const admitted = cases.filter((_, index) => errors[index]!.length === 0);
  expect(cases.length).toBeGreaterThan(700);
  expect(admitted).toEqual([]);
});
