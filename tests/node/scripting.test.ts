// Scripts in the built package: the module with the interpreter, and the one without.
import { createHash } from "node:crypto";
import { open, ReplyError } from "lodis";
import * as full from "lodis/full";
import { describe, expect, test } from "vitest";

const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");

const failing = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `no error, but ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof ReplyError ? error.message : `a trap: ${String(error)}`),
  );

test("without scripting the error says how to get it", async () => {
  await using redis = await open("core", { store: "memory" });
  const refused =
    "ERR scripting is not in this build of Lodis: open the store with { scripting: true }, in the tab that leads";
  expect(await failing(redis.eval("return 1", 0))).toBe(refused);
  expect(await failing(redis.scriptLoad("return 1"))).toBe(refused);
  expect(await failing(redis.fCall("f", 0))).toBe(refused);
  expect(await redis.set("k", "v")).toBe("OK");
});

test("a script and what it answers", async () => {
  await using redis = await open("full", { store: "memory", scripting: true });
  const script = "redis.call('SET', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), 7, {ok = 'FINE'}}";
  expect(await redis.eval(script, 1, "k", "v")).toEqual(["v", 7, "FINE"]);
  expect(await redis.evalSha(sha1(script), 1, "k", "w")).toEqual(["w", 7, "FINE"]);
  expect(await redis.scriptExists(sha1(script), sha1("nothing"))).toEqual([1, 0]);
  expect(await failing(redis.evalSha(sha1("nothing"), 0))).toBe("NOSCRIPT No matching script. Please use EVAL.");
  expect(await redis.eval("return cjson.encode({1, 'two', cmsgpack.unpack(cmsgpack.pack(3))})", 0)).toBe(
    '[1,"two",3]',
  );
});

test("lodis/full has scripting unless it is told otherwise, and the rest is the same", async () => {
  await using redis = await full.open("by-default", { store: "memory" });
  expect(await redis.eval("return 7", 0)).toBe(7);
  await using core = await full.open("told-otherwise", { store: "memory", scripting: false });
  expect(await failing(core.eval("return 7", 0))).toMatch(/^ERR scripting is not in this build/);
  expect(full.ReplyError).toBe(ReplyError);
  expect(Object.keys(full).sort()).toEqual(Object.keys(await import("lodis")).sort());
});

test("scripting is true or false", async () => {
  await expect(open("x", { scripting: 1 as never })).rejects.toThrow("open: scripting is true or false");
});

describe("a script without bounds ends in an error, and the module goes on", () => {
  const endless = "ERR Script ended: it ran for more instructions than a script may";
  const large = "ERR Script ended: it used more memory than a script may";
  const cases: [script: string, error: string | RegExp][] = [
    ["while true do end", endless],
    ["while true do pcall(function() while true do end end) end", endless],
    ["while true do redis.pcall('NOSUCH') end", endless],
    ["string.gsub('a', 'a', function() while true do end end)", endless],
    ["return string.find(string.rep('a', 30), string.rep('a?', 30) .. string.rep('a', 30))", endless],
    ["return string.find(string.rep('a', 3000), string.rep('a?', 3000) .. 'b')", /pattern too complex/],
    ["local s = 'x' while true do s = s .. s end", large],
    ["return #string.rep('x', 2e9)", large],
    ["local t = {} while true do t[#t + 1] = {#t} end", large],
    ["local s = string.rep('x', 7e6) return #(s..s..s..s..s..s..s..s..s..s..s..s..s..s..s..s)", large],
    ["return string.gsub(string.rep('a', 1e6), 'a', string.rep('b', 1e4))", /not enough memory|more instructions/],
    ["local function f() return 1 + f() end return f()", /stack overflow/],
    ["local function f() return 1 + (pcall(f) and 1 or 0) end return tostring(f())", /stack overflow|no error/],
    ["local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]", /stack overflow/],
    ["local function f() return string.gsub('a', 'a', f) end return f()", /stack overflow/],
    ["local function f() return coroutine.wrap(f)() end return f()", /stack overflow/],
    ["local function f(a, b) table.sort({3, 2, 1}, f) return a < b end f()", /stack overflow|attempt/],
    ["local t = {} t[1] = t return cjson.encode(t)", /excessive nesting/],
    ["return cjson.decode(string.rep('[', 1e6))", /too many nested/],
    ["return cmsgpack.unpack(string.rep('\\145', 1e5))", /Bad data format/],
    ["return loadstring('return ' .. string.rep('(', 1e5))()", /attempt to call/],
    ["return loadstring('return ' .. string.rep('{', 1e5))()", /attempt to call/],
    ["return loadstring('return ' .. string.rep('- ', 1e5) .. '1')()", /attempt to call/],
    ["return loadstring('return ' .. string.rep('not ', 1e5) .. '1')()", /attempt to call/],
    ["return loadstring(string.rep('if x then ', 1e5))()", /attempt to call/],
    ["return loadstring('return ' .. string.rep('function() return ', 1e5))()", /attempt to call/],
    ["return loadstring('return ' .. string.rep('2^', 1e5) .. '1')()", /attempt to call/],
    ["return loadstring('x = ' .. string.rep('a.', 1e5) .. 'a')() ", /./],
    ["local t = {} for i = 1, 60 do t = {t, t} end return t", /too long|./],
    ["return error(setmetatable({}, {__tostring = function(t) return tostring(t) end}))", /./],
    ["return string.rep('%', 1e6):format(1)", /./],
    ["return ('x'):rep(1e6):find(('x*'):rep(1000) .. 'y')", /./],
  ];
  test.each(cases)("%s", async (script, error) => {
    await using redis = await open("limits", { store: "memory", scripting: true });
    await redis.configSet("busy-reply-threshold", script.includes("#t") ? 5000 : 500);
    const message = await failing(redis.eval(script, 0));
    expect(message).not.toContain("a trap");
    expect(message).toMatch(error);
    expect(await redis.eval("return 'alive'", 0)).toBe("alive");
  });
});

test("libraries of functions outlive a build that cannot run them", async () => {
  const library = "#!lua name=lib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
  await using full = await open("with", { store: "memory", scripting: true });
  expect(await full.functionLoad(library)).toBe("lib");
  expect(await full.fCall("twice", 0, 21)).toBe(42);
  await using core = await open("without", { store: "memory" });
  expect(await core.importRdb(await full.exportRdb())).toMatchObject({ skipped: { functions: 0 } });
  expect(await failing(core.fCall("twice", 0, 21))).toMatch(/^ERR scripting is not in this build/);
  await using again = await open("again", { store: "memory", scripting: true });
  await again.importRdb(await core.exportRdb());
  expect(await again.fCall("twice", 0, 21)).toBe(42);
  expect(await again.functionDelete("lib")).toBe("OK");
  expect(await failing(again.fCall("twice", 0, 21))).toBe("ERR Function not found");
});
