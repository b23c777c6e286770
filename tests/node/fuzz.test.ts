// What fuzzing keeps (fuzz/corpus), and what nests without an end, in the module: its stack is a shallow one.
import { readdirSync, readFileSync } from "node:fs";
import { type Redis, ReplyError, open } from "lodis";
import { afterAll, beforeAll, expect, test } from "vitest";

const CORPUS = new URL("../../fuzz/corpus/", import.meta.url);

function inputs(target: string): Uint8Array[] {
  const directory = new URL(`${target}/`, CORPUS);
  const files = readdirSync(directory).sort();
  expect(files.length).toBeGreaterThan(10);
  return files.map((file) => new Uint8Array(readFileSync(new URL(file, directory))));
}

let redis: Redis;
beforeAll(async () => {
  redis = await open("fuzz", { scripting: true });
  await redis.configSet("busy-reply-threshold", 5);
});
afterAll(() => redis.close());

/** Calls it; an error is an answer, too, but only if it is one of Redis's. */
async function call(...words: (string | Uint8Array)[]): Promise<unknown> {
  try {
    return await redis.call(words[0] as string, ...words.slice(1));
  } catch (error) {
    expect(error).toBeInstanceOf(ReplyError);
    return error;
  }
}

test("scripts and libraries", { timeout: 60_000 }, async () => {
  for (const input of inputs("lua")) await call("EVAL", input, "1", "list", "a", "1");
  for (const input of inputs("libraries")) {
    await call("FUNCTION", "LOAD", "REPLACE", `#!lua name=fuzz\n${Buffer.from(input).toString("latin1")}`);
    await call("FCALL", "f", "1", "list", "a");
  }
  expect(await redis.ping()).toBe("PONG");
});

const READERS = [
  "return cjson.encode(cjson.decode(ARGV[1]))",
  "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))",
  "return {struct.unpack(ARGV[1],ARGV[1])}",
  "return {string.find(ARGV[1],ARGV[1])}",
  "return string.format(ARGV[1],1,2,3)",
];

test("what formats are given", { timeout: 60_000 }, async () => {
  for (const input of inputs("data")) {
    for (const reader of READERS) await call("EVAL", reader, "0", input.subarray(1));
  }
  for (const input of inputs("dump")) await call("RESTORE", "dump", "0", input, "REPLACE");
  expect(await redis.ping()).toBe("PONG");
});

/** Each nests as deeply as it may, and ends. */
const NESTED = [
  "local function f(n) return 1 + f(n + 1) end return f(1)",
  "local function f(n) return (select(2, pcall(f, n + 1))) end return f(1)",
  "local function f(n) return coroutine.wrap(function() return f(n + 1) end)() end return f(1)",
  "local function f(n) local co = coroutine.create(function() return f(n + 1) end) return coroutine.resume(co) end return f(1)",
  "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]",
  "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
  "local t = setmetatable({}, {__add = function(a, b) return a + b end}) return t + t",
  "local t = setmetatable({}, {__call = function(t) return 1 + t() end}) return t()",
  "local t = setmetatable({}, {__concat = function(a, b) return a .. b end}) return t .. t",
  "local t = setmetatable({}, {__lt = function(a, b) return a < b end}) return t < t",
  "local t = {} for i = 1, 10000 do t = setmetatable({}, {__index = t}) end return t.x",
  "local function f(s) return (string.gsub(s, '.', function(c) return f(c) end)) end return f('ab')",
  "local function f() table.sort({1, 2, 3}, function() f() return false end) end return f()",
  "local function f(n) return xpcall(function() return f(n + 1) end, function(e) return f(n + 1) end) end return f(1)",
  "return loadstring('return ' .. string.rep('(', 100000) .. '1' .. string.rep(')', 100000))",
  "return loadstring('return ' .. string.rep('{', 100000) .. string.rep('}', 100000))",
  "return loadstring('return ' .. string.rep('-', 50000) .. '1')",
  "return loadstring('return ' .. string.rep('not ', 50000) .. '1')",
  "return loadstring('x = ' .. string.rep('a..', 50000) .. 'a')",
  "return loadstring('x = ' .. string.rep('2^', 50000) .. '2')",
  "return loadstring(string.rep('do ', 50000) .. string.rep(' end', 50000))",
  "return loadstring('return ' .. string.rep('function() return ', 5000) .. '1' .. string.rep(' end', 5000))",
  "return loadstring('a' .. string.rep('.b', 50000) .. '=1')",
  "return loadstring('return f' .. string.rep('(f', 20000) .. string.rep(')', 20000))",
  "return cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000))",
  "return cjson.decode(string.rep('[', 100000) .. string.rep(']', 100000))",
  "return cjson.decode(string.rep('{\"a\":', 100000))",
  "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
  "local t = {} for i = 1, 100000 do t = {t} end return cmsgpack.pack(t)",
  "return cmsgpack.unpack(string.rep('\\145', 100000))",
  "return cmsgpack.unpack(string.rep('\\129\\161a', 100000))",
  "local t = {} for i = 1, 100000 do t = {t} end return t",
  "local t = {} t[1] = t return t",
  "return {string.find(string.rep('a', 100000), string.rep('a?', 20000) .. 'b')}",
  "return {string.find(string.rep('(', 100000), '%b()')}",
  "return {string.find(string.rep('a', 2000), '(.-)(.-)(.-)%1%2%3b')}",
  "return {string.find('x', string.rep('(', 100000))}",
  "return {string.find(string.rep('a', 300000), '.-b')}",
  "return {string.find(string.rep('a', 300000), string.rep('[a]', 1000) .. '-b')}",
];

test("what nests without an end ends in an error, and what comes after it runs", { timeout: 120_000 }, async () => {
  for (const script of NESTED) {
    await call("EVAL", script, "0");
    expect(await call("EVAL", "return 'alive'", "0"), script).toBe("alive");
  }
});

test("patterns of keys, and very many words", { timeout: 60_000 }, async () => {
  await redis.set("a".repeat(20_000), "v");
  for (const pattern of ["*a".repeat(5000) + "b", "*?".repeat(5000) + "b", "[".repeat(5000), "\\".repeat(5001)]) {
    await call("KEYS", pattern);
    await call("SCAN", "0", "MATCH", pattern, "COUNT", "9223372036854775807");
  }
  const words = Array.from({ length: 1_100_000 }, (_, index) => String(index % 1000));
  expect(await redis.del(words)).toBe(0);
  expect(await redis.ping()).toBe("PONG");
});

test("commands, right and wrong", { timeout: 60_000 }, async () => {
  const { engine } = (redis as unknown as { host: { engine: EngineLike } }).host;
  for (const target of ["commands", "resp", "log"]) {
    for (const input of inputs(target)) {
      const connection = engine.openConnection("fuzz", () => {});
      engine.receive(connection, input);
      engine.settle();
      engine.closeConnection(connection);
    }
  }
  expect(await open("after").then((other) => other.ping().finally(() => other.close()))).toBe("PONG");
});

interface EngineLike {
  openConnection(address: string, deliver: () => void): number;
  receive(connection: number, bytes: Uint8Array): Uint8Array;
  settle(): void;
  closeConnection(connection: number): void;
}
