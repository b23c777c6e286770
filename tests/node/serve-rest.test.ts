// `lodis serve --rest-port`: Upstash's REST API beside the server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Redis as Upstash } from "@upstash/redis";
import { Redis as IoRedis } from "ioredis";
import { afterEach, describe, expect, test } from "vitest";
import { freePort } from "./real-redis.js";
import { cli } from "./serving.js";

let stop: (() => Promise<void>) | undefined;
afterEach(async () => {
  await stop?.();
  stop = undefined;
});

/** Answers the port of RESP and the URL of REST. */
async function serve(...options: string[]): Promise<{ port: number; url: string }> {
  const rest = await freePort();
  const child = spawn(process.execPath, [cli, "serve", "--port", "0", "--rest-port", String(rest), ...options]);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  stop = async () => {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  };
  const [, port, url] = /^lodis is listening on 127\.0\.0\.1:(\d+), (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(line.toString())!;
  return { port: Number(port), url: url! };
}

const SECURED = ["--requirepass", "sesame", "--user", "alice", "on", ">pw", "~a:*", "&a:*", "+@all", "-@dangerous"];

describe("with a password", () => {
  test("@upstash/redis and a client of RESP share the data", async () => {
    const { port, url } = await serve(...SECURED);
    const redis = new Upstash({ url, token: "sesame" });
    expect(await redis.set("k", { a: 1 })).toBe("OK");
    expect(await redis.get("k")).toEqual({ a: 1 });
    expect(await redis.pipeline().incr("n").incr("n").exec()).toEqual([1, 2]);
    expect(await redis.multi().incr("n").get("n").exec()).toEqual([3, 3]);
    const client = new IoRedis({ port, password: "sesame" });
    expect(await client.get("n")).toBe("3");
    const waits = fetch(`${url}/blpop/list/0`, { headers: { authorization: "Bearer sesame" } });
    await expect.poll(() => client.client("LIST")).toContain("cmd=blpop");
    await client.rpush("list", "a");
    expect(await (await waits).json()).toEqual({ result: ["list", "a"] });
    client.disconnect();
  });

  test("tokens are passwords, of the user default and of others", async () => {
    const { url } = await serve(...SECURED);
    const get = (path: string, token?: string) =>
      fetch(`${url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    expect((await get("/get/k")).status).toBe(401);
    expect((await get("/get/k", "wrong")).status).toBe(401);
    expect((await get("/get/k", "alice:wrong")).status).toBe(401);
    expect(await (await get("/acl/whoami", "sesame")).json()).toEqual({ result: "default" });
    expect(await (await get("/acl/whoami", "alice:pw")).json()).toEqual({ result: "alice" });
    expect(await (await get("/get/b", "alice:pw")).json()).toEqual({ error: "NOPERM No permissions to access a key" });
    expect((await get("/subscribe/b", "alice:pw")).status).toBe(400);
    expect((await get("/monitor", "alice:pw")).status).toBe(400);
  });

  test.each([["sesame"], ["alice:pw"]])("%s hears messages, until it goes; the server ends with it connected", async (token) => {
    const { port, url } = await serve(...SECURED);
    const headers = { authorization: `Bearer ${token}` };
    const client = new IoRedis({ port, password: "sesame" });
    const response = await fetch(`${url}/subscribe/a:1`, { headers });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(await client.publish("a:1", "hello")).toBe(1);
    const reader = response.body!.getReader();
    let text = "";
    while (!text.includes("hello")) text += new TextDecoder().decode((await reader.read()).value);
    expect(text).toContain("data: message,a:1,hello\n\n");
    await reader.cancel();
    await expect.poll(() => client.publish("a:1", "anybody?")).toBe(0);
    const patterns = await fetch(`${url}/psubscribe/a:*`, { headers });
    expect(await client.publish("a:2", "there")).toBe(1);
    expect(patterns.status).toBe(200);
    client.disconnect();
  });
});

test("where anybody may do everything, no token is needed; a monitor sees what is run", async () => {
  const { port, url } = await serve();
  expect(await (await fetch(`${url}/set/k/v`)).json()).toEqual({ result: "OK" });
  expect(await (await fetch(url, { method: "POST", body: '["GET","k"]' })).json()).toEqual({ result: "v" });
  const monitor = (await fetch(`${url}/monitor`)).body!.getReader();
  const client = new IoRedis(port);
  await client.set("seen", "1");
  let text = "";
  while (!text.includes("seen")) text += new TextDecoder().decode((await monitor.read()).value);
  expect(text).toMatch(/data: .*\[0 127\.0\.0\.1:\d+\] "set" "seen" "1"\n/);
  // A password that is set later is asked for.
  await client.config("SET", "requirepass", "later");
  expect((await fetch(`${url}/get/k`)).status).toBe(401);
  expect(await new Upstash({ url, token: "later" }).get("k")).toBe("v");
  client.disconnect();
});
