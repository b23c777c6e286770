// `lodis/terminal`: lines of replies are those of redis-cli.
import { execFileSync } from "node:child_process";
import { linesOf, parse } from "lodis/terminal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newDirectory, type RealRedis, startRealRedis } from "./real-redis.js";
import { Raw } from "./serving.js";

let real: RealRedis;
let port: number;
beforeAll(async () => {
  real = await startRealRedis(await newDirectory());
  port = real.client.options.port!;
});
afterAll(() => real.stop());

const evaluated = (map: string) => ["EVAL", `redis.setresp(3) return ${map}`, "0"];

test.each([
  ...["string", "integer", "double", "null", "array", "set", "map", "verbatim", "true", "false"].map((kind) => ["DEBUG", "PROTOCOL", kind]),
  ["NOSUCH"],
  ["COMMAND", "DOCS", "get"],
  ["COMMAND", "INFO", "get", "set"],
  evaluated("{map = {a = {1}}}"),
  evaluated("{map = {a = {}}}"),
  evaluated("{map = {a = {map = {b = 1}}}}"),
  evaluated("{map = {a = {{map = {b = {1, {2, 3}}}}}}}"),
  evaluated("{map = {a = {{{2, 3}}}}}"),
])("%j", async (...words: string[]) => {
  const raw = await Raw.open(port);
  raw.write("HELLO 3\r\n");
  await raw.until((text) => text.endsWith("modules\r\n*0\r\n"));
  raw.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}PING\r\n`);
  const bytes = (await raw.until((text) => text.endsWith("+PONG\r\n"))).slice(0, -"+PONG\r\n".length);
  raw.end();
  const shown = parse(Buffer.from(bytes, "latin1")).flatMap((reply) =>
    [...linesOf(reply)].map((line) => line.map(({ text }) => text).join("")),
  );
  const expected = execFileSync("redis-cli", ["-p", String(port), "-3", "--no-raw", ...words], { encoding: "utf8" });
  expect(shown).toEqual(expected.replace(/\n$/, "").split("\n"));
});
