// `lodis/terminal`: what is said about a line while it is typed, and what RESP2 makes of a reply.
import { once } from "node:events";
import type { Redis } from "lodis";
import { open } from "lodis/full";
import { createConnection } from "lodis/node";
import { asResp2, helpOf, isSensitive, linesOf, parse, type Shown, split, Table, tokensOf } from "lodis/terminal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forms } from "./forms.js";

let redis: Redis;
let table: Table;
beforeAll(async () => {
  redis = await open("advice", { store: "memory" });
  table = new Table(redis.hints());
});
afterAll(() => redis.close());

/** Pieces as text: what is typed now in `*`, what nobody expects in `~`. */
const shown = (pieces: readonly Shown[]) => pieces.map(({ state, text }) => (state === "current" ? `*${text}*` : state === "unknown" ? `~${text}~` : text)).join("");
const quote = (word: string | number) => `"${[...Buffer.from(String(word))].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;

/** The keys of a line, by the words before which a key is expected; undefined if a word is not expected at all. */
function keysOf(words: readonly (string | number)[]): string[] | undefined {
  const line = words.map((word, index) => (index === 0 ? String(word) : quote(word)));
  if (table.advise(`${line.join(" ")} `).line.some(({ state }) => state === "unknown")) return undefined;
  return words.slice(1).flatMap((word, index) => (table.choices(`${line.slice(0, index + 1).join(" ")} `).key === undefined ? [] : [String(word)]));
}

/** Whether the engine finds that the words do not go together; a channel, which is SPUBLISH's "key", is none. */
async function isWrong(scratch: Redis, [name, ...args]: readonly string[]): Promise<boolean> {
  if (/^(shutdown|monitor|quit|reset|hello|auth|multi|subscribe|[ps]subscribe|[ps]?unsubscribe|client|debug|wait|waitaof|failover|spublish)$/i.test(name!)) return true;
  // Of a key that is not there, DELEX answers before it looks at its options.
  if (args.includes("IFIS")) return true;
  const [reply] = parse(await scratch.raw(name!, ...args));
  return reply!.type === "error" && !/^(WRONGTYPE|NOGROUP|ERR no such key)/.test(reply!.text);
}

test("every command that the forms make is understood, and its keys are where the key specs say", async () => {
  await using scratch = await open("scratch", { store: "memory" });
  const wrong: unknown[] = [];
  let withKeys = 0;
  for (const form of await forms()) {
    const words = form.map(({ value }) => value);
    const reply = await redis.call("COMMAND", "GETKEYS", ...words.map(String)).catch(() => []);
    if (await isWrong(scratch, words.map(String))) continue;
    const keys = keysOf(words);
    if (keys === undefined) wrong.push(["unknown", ...words]);
    // Between keys there may be what could be one more of them (BLPOP key [key ...] timeout).
    else if (!(reply as string[]).every((key) => keys.includes(key))) wrong.push([reply, keys, ...words]);
    if ((reply as string[]).length > 0) withKeys++;
  }
  expect(wrong).toEqual([]);
  expect(withKeys).toBeGreaterThan(500);
});

test("values are not taken for keys", () => {
  for (const line of ["SET k ", "HSET k ", "HSET k f ", "LPUSH k ", "EXPIRE k ", "EVAL x 1 k ", "ZADD k NX 1 ", "ZUNION 2 a b WEIGHTS ", "XADD k * ", "CONFIG GET ", "SUBSCRIBE ", "XREAD STREAMS a $ "]) {
    expect(table.choices(line).key, line).toBeUndefined();
  }
  for (const line of ["GET ", "MGET a ", "EVAL x 2 a ", "SMOVE a ", "ZUNIONSTORE d 2 a ", "SORT k STORE ", "MSET a 1 ", "XREAD COUNT 1 STREAMS a ", "OBJECT ENCODING "]) {
    expect(table.choices(line).key, line).toEqual(new Uint8Array(0));
  }
  expect(table.choices('GET "a\\x00b').key).toEqual(Uint8Array.of(97, 0, 98));
});

test.each([
  ["SET ", "*key* value [NX", "*key* value [NX"],
  ["SET k", "*key* value [NX", " value [NX"],
  ["SET k ", "key *value* [NX", "*value* [NX"],
  ["SET k v EX ", "EX *seconds* |", "*seconds* [NX"],
  ["SET k v EX 10 ", "[GET]", "*[NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | IFDNE ifdne-digest]* [GET]"],
  ["GETRANGE k ", "key *start* end", "*start* end"],
  ["MGET a ", "key *[key ...]*", "*[key ...]*"],
  ["ZADD k ", "[CH] [INCR] *score* member", "[NX | XX] [GT | LT] [CH] [INCR] *score* member"],
  ["ZADD k NX 1 ", "score *member* [", "*member* [score member ...]"],
  ["BLPOP a ", "key *[key ...]* timeout", "*[key ...]* timeout"],
  ["BITOP ", "*<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE>* destkey", "*<AND |"],
  ["ZUNION 2 a b ", "key [key ...] *[WEIGHTS weight [weight ...]]*", "*[WEIGHTS weight [weight ...]]* [AGGREGATE SUM | MIN | MAX] [WITHSCORES]"],
  ["ZUNION 2 a b AGGREGATE ", "[AGGREGATE *SUM | MIN | MAX*]", "*SUM | MIN | MAX* "],
  ["config get ", "*parameter* [parameter ...]", "*parameter* [parameter ...]"],
  ["PING", "[message]", " [message]"],
])("%s", (line, syntax, rest) => {
  const advice = table.advise(line);
  expect(shown(advice.syntax)).toContain(syntax);
  expect(shown(advice.rest).slice(0, rest.length)).toBe(rest);
  expect(shown(advice.line)).toBe(line);
});

test.each([
  ["NOSUCH x", "~NOSUCH~ x"],
  ["SE", "SE"],
  ["SEX", "~SEX~"],
  ["GET a b", "GET a ~b~"],
  ["SET k v NXX ", "SET k v ~NXX~ "],
  ["SET k v N", "SET k v N"],
  ["SET k v Q", "SET k v ~Q~"],
  ["CONFIG GOT x", "CONFIG ~GOT~ x"],
  ["CONFIG G", "CONFIG G"],
  ["help nonsense", "help nonsense"],
])("words that nothing is known of are marked: %s", (line, marked) => {
  expect(shown(table.advise(line).line)).toBe(marked);
});

test("commands, subcommands and options are completed in the letters that were typed", () => {
  expect(table.completions("getra")).toEqual(["getrange"]);
  expect(table.completions("GETRA")).toEqual(["GETRANGE"]);
  expect(table.completions("config re")).toEqual(["config resetstat", "config rewrite"]);
  expect(table.completions("SET k v n")).toEqual(["SET k v nx"]);
  expect(table.completions("SET k v EX 10 ")).toEqual(["NX", "XX", "IFEQ", "IFNE", "IFDEQ", "IFDNE", "GET"].map((word) => `SET k v EX 10 ${word}`));
  expect(table.completions("set k v px")).toEqual(["set k v pxat"]);
  expect(table.completions("SET k v NX X")).toEqual([]);
  expect(table.completions("ZRANGE k 0 -1 BYSCORE ")).toEqual(["REV", "LIMIT", "WITHSCORES"].map((word) => `ZRANGE k 0 -1 BYSCORE ${word}`));
  expect(table.completions("help @sor")).toEqual(["help @sorted-set"]);
  expect(table.completions("HELP config ge")).toEqual(["HELP config get"]);
  expect(table.completions("")).toEqual([]);
});

test("a syntax comes apart into its arguments", () => {
  expect(tokensOf("key <BEFORE | AFTER> [key value ...] [EX seconds | PX ms]")).toEqual(["key", "<BEFORE | AFTER>", "[key value ...]", "[EX seconds | PX ms]"]);
});

test("a line of a hundred thousand words is not looked at for long", () => {
  const start = performance.now();
  const advice = table.advise(`MGET ${"k ".repeat(100_000)}`);
  expect(shown(advice.line)).toContain("MGET k k");
  expect(performance.now() - start).toBeLessThan(2_000);
});

test("HELP tells of a command, of what is below it, and of a group", () => {
  const text = (...words: string[]) => helpOf(table, words).map((line) => line.map((piece) => piece.text).join("")).join("\n");
  expect(text("get")).toMatch(/^ {2}GET key\n {2}summary: .+\n {2}since: 1\.0\.0\n {2}group: string\n {2}complexity: O\(1\)\n$/);
  expect(text("config")).toMatch(/CONFIG GET parameter[^]*CONFIG SET/);
  expect(text("config", "set")).not.toContain("CONFIG GET");
  expect(text("@transactions")).toMatch(/^ {2}DISCARD[^]*WATCH key/);
  expect(text("@transactions")).not.toContain("GETRANGE");
  expect(text("@nothing")).toMatch(/There is no group "@nothing"[^]*@string/);
  expect(text("nosuch", "x")).toBe('No help for "nosuch x".');
  expect(text()).toContain("@sorted-set");
});

const DATA = [
  "SET string value", "RPUSH list a b", "SADD set a", "ZADD zset 1 a 2.5 b 3 c", "HSET hash f v", "XADD stream 1-1 a b", "PFADD hll a",
  "GEOADD geo 13.36 38.11 palermo", "XGROUP CREATE stream g 0", "SET text ohmytext", "SET other mynewtext", "ACL SETUSER bob on >p +get ~*",
  "FUNCTION LOAD '#!lua name=one\nredis.register_function(\"f\", function() return 1 end)'",
];
const READS = [
  "GET string", "GET nothing", "LRANGE list 0 -1", "LPOP nothing", "BLPOP nothing 0.01", "SMEMBERS set", "SMISMEMBER set a b", "ZSCORE zset b", "ZMSCORE zset a x",
  "ZRANGE zset 0 -1", "ZRANGE zset 0 -1 WITHSCORES", "ZREVRANGE zset 0 -1 WITHSCORES", "ZRANGEBYSCORE zset 0 9 WITHSCORES", "ZREVRANGEBYSCORE zset 9 0 WITHSCORES",
  "ZRANDMEMBER zset 3 WITHSCORES", "ZUNION 1 zset WITHSCORES", "ZINTER 1 zset WITHSCORES", "ZDIFF 1 zset WITHSCORES", "ZRANK zset a WITHSCORE", "ZADD zset INCR 0 a",
  "ZSCAN zset 0", "HGETALL hash", "HGETALL nothing", "HRANDFIELD hash 1 WITHVALUES", "HRANDFIELD hash 1", "HSCAN hash 0", "XRANGE stream - +", "XREAD STREAMS stream 0",
  "XREAD STREAMS stream 9", "XREADGROUP GROUP g c STREAMS stream 0", "XINFO STREAM stream FULL", "XINFO GROUPS stream", "GEOPOS geo palermo x", "GEODIST geo palermo palermo",
  "GEOSEARCH geo FROMMEMBER palermo BYRADIUS 1 km WITHCOORD WITHDIST", "LCS text other IDX", "CONFIG GET append*", "COMMAND INFO get", "COMMAND DOCS get", "ACL GETUSER bob",
  "MEMORY STATS", "FUNCTION LIST", "INFO keyspace", "LOLWUT", "EVAL 'return {1,2.5,false,true,{ok=\"fine\"}}' 0", "EVAL 'redis.setresp(3) return {map={a={double=2.5}}}' 0",
  "EVAL 'redis.setresp(3) return true' 0", "EVAL 'redis.setresp(3) return {big_number=\"123\"}' 0", "NOSUCH", "INCR list", "SLOWLOG GET", "ROLE", "OBJECT FREQ string", "CLIENT TRACKINGINFO",
];

test("what RESP2 makes of a reply is what a connection in RESP2 is sent", async () => {
  const words = (line: string) => split(line)!.map((word) => Buffer.from(word));
  for (const line of DATA) await redis.call(...(words(line).map(String) as [string]));
  const connection = createConnection(redis);
  await once(connection, "connect");
  const ask = async (line: string) => {
    const all = words(line);
    connection.write(Buffer.concat([Buffer.from(`*${all.length}\r\n`), ...all.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")])]));
    const [bytes] = (await once(connection, "data")) as [Buffer];
    return parse(bytes);
  };
  const text = (values: readonly ReturnType<typeof parse>[number][]) => values.flatMap((value) => [...linesOf(value)].map((line) => line.map((piece) => piece.text).join("")));
  for (const line of READS) {
    const [name, ...args] = words(line).map(String);
    const replies = parse(await redis.raw(name!, ...args)).map((reply) => asResp2(reply, name!.toLowerCase()));
    expect(text(replies), line).toEqual(text(await ask(line)));
  }
  for (const count of ["", " 2"]) {
    const popped = await ask(`ZPOPMIN zset${count}`);
    await redis.call("DEL", "zset");
    await redis.call("ZADD", "zset", "1", "a", "2.5", "b", "3", "c");
    expect(text(parse(await redis.raw("ZPOPMIN", "zset", ...(count ? ["2"] : []))).map((reply) => asResp2(reply, "zpopmin")))).toEqual(text(popped));
    await redis.call("ZADD", "zset", "1", "a", "2.5", "b", "3", "c");
  }
  const queued = ["ZRANGE zset 0 -1 WITHSCORES", "HGETALL hash", "GET string"];
  for (const line of ["MULTI", ...queued]) await ask(line);
  const expected = text(await ask("EXEC"));
  await redis.raw("MULTI");
  for (const line of queued) await redis.raw(...(line.split(" ") as [string]));
  const [exec] = parse(await redis.raw("EXEC"));
  expect(text([asResp2(exec!, "exec", ["zrange", "hgetall", "get"])])).toEqual(expected);
  connection.destroy();
});

test.each([
  ["AUTH secret", true], ["  auth user secret", true], ['"au\\x74h" secret', true], ["3 AUTH secret", true], ["AUTH 'open", true], ["HELLO 3 AUTH u secret", true],
  ["HELLO 3", false], ["ACL SETUSER bob >secret", true], ["ACL LIST", false], ["CONFIG SET maxmemory 1 requirepass x", true], ["CONFIG SET maxmemory 1", false],
  ["CONFIG GET requirepass", false], ["MIGRATE h 1 k 0 5 AUTH secret", true], ["SET auth x", false], ["", false],
])("what is in no history: %s", (line, expected) => {
  expect(isSensitive(line)).toBe(expected);
});
