// The REST handler, called as a server calls it: with a Request.
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { open, type Redis } from "lodis";
import { rest, type RestHandler, type RestOptions, toNodeListener } from "lodis/rest";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const TOKEN = "secret";
const BASE = "http://lodis.test";

let redis: Redis;

beforeEach(async () => {
  redis = await open("rest", { store: "memory", scripting: true });
});

afterEach(() => redis.close());

interface Told {
  readonly status: number;
  readonly body: any;
}

function asker(options: RestOptions = { token: TOKEN }) {
  const handler = rest(redis, options);
  return async (path: string, init: RequestInit = {}): Promise<Told> => {
    const headers = new Headers({ authorization: `Bearer ${TOKEN}`, ...(init.headers as object) });
    const response = await handler(new Request(`${BASE}${path}`, { ...init, headers }));
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json";
    return { status: response.status, body: isJson && text !== "" ? JSON.parse(text) : text };
  };
}

const posted = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body: typeof body === "string" ? body : JSON.stringify(body),
  headers,
});

describe("commands", () => {
  test("in the body", async () => {
    const ask = asker();
    expect(await ask("/", posted(["SET", "k", "v", "EX", 100]))).toEqual({ status: 200, body: { result: "OK" } });
    expect(await ask("/", posted(["TTL", "k"]))).toEqual({ status: 200, body: { result: 100 } });
    expect(await ask("/", posted(["GET", "nothing"]))).toEqual({ status: 200, body: { result: null } });
    expect(await ask("/", posted(["SET", "k", true]))).toEqual({ status: 200, body: { result: "OK" } });
    expect(await redis.get("k")).toBe("true");
  });

  test("in the path", async () => {
    const ask = asker();
    expect((await ask("/set/a%2Fb/%C3%BC%20x")).body).toEqual({ result: "OK" });
    expect(await redis.get("a/b")).toBe("ü x");
    expect((await ask("/set/empty/")).body).toEqual({ result: "OK" });
    expect(await redis.get("empty")).toBe("");
    expect((await ask("/set/k/v?EX=60&NX")).body).toEqual({ result: "OK" });
    expect(await redis.ttl("k")).toBe(60);
    expect((await ask("/set/k/other?NX")).body).toEqual({ result: null });
    expect((await ask("/mget/k/a%2Fb/none")).body).toEqual({ result: ["v", "ü x", null] });
  });

  test("in the path, with a value in the body, as bytes", async () => {
    const bytes = Uint8Array.of(0, 255, 128, 10);
    expect((await asker()("/set/k?PX=5000", { method: "POST", body: bytes })).body).toEqual({ result: "OK" });
    expect(await redis.bytes.get("k")).toEqual(bytes);
    expect(await redis.pttl("k")).toBeGreaterThan(4000);
  });

  test("answer in the shapes of RESP2", async () => {
    const ask = asker();
    await redis.hSet("h", { a: "1", b: "2" });
    await redis.zAdd("z", 1.5, "x", 2, "y");
    expect((await ask("/hgetall/h")).body).toEqual({ result: ["a", "1", "b", "2"] });
    expect((await ask("/zrange/z/0/-1/WITHSCORES")).body).toEqual({ result: ["x", "1.5", "y", "2"] });
    expect((await ask("/zscore/z/x")).body).toEqual({ result: "1.5" });
    expect((await ask("/config/get/databases")).body).toEqual({ result: ["databases", "16"] });
    expect((await ask("/zpopmin/z")).body).toEqual({ result: ["x", "1.5"] });
  });

  test("integers keep all of their digits", async () => {
    await redis.set("n", "9223372036854775806");
    const handler = rest(redis, { anyone: true });
    const response = await handler(new Request(`${BASE}/incr/n`));
    expect(await response.text()).toBe('{"result":9223372036854775807}');
  });

  test("HEAD has no body", async () => {
    expect(await asker()("/get/k", { method: "HEAD" })).toEqual({ status: 200, body: "" });
  });

  test("a command that blocks is answered later, unless the request is aborted", async () => {
    const ask = asker();
    const waiting = ask("/blpop/q/5");
    await redis.rPush("q", "job");
    expect((await waiting).body).toEqual({ result: ["q", "job"] });
    for (const isWaiting of [false, true]) {
      const abort = new AbortController();
      const aborted = ask("/blpop/q/0", { signal: abort.signal });
      if (isWaiting) await expect.poll(() => redis.info("clients")).toContain("blocked_clients:1");
      abort.abort();
      await aborted.catch(() => {});
    }
    await redis.rPush("q", "kept");
    expect(await redis.lRange("q", 0, -1)).toEqual(["kept"]);
  });

  test("each request has a session of its own", async () => {
    const ask = asker();
    expect((await ask("/select/3")).body).toEqual({ result: "OK" });
    expect((await ask("/set/k/v")).body).toEqual({ result: "OK" });
    expect(await redis.get("k")).toBe("v");
    expect((await ask("/pipeline", posted([["SELECT", 3], ["SET", "three", 3]]))).status).toBe(200);
    expect(await redis.exists("three")).toBe(0);
    const stop = await redis.subscribe("c", () => {});
    expect((await ask("/get/k")).body).toEqual({ result: "v" });
    expect((await ask("/client/id")).status).toBe(400);
    await stop();
  });
});

describe("errors", () => {
  test.each([
    ["/get", 400, "ERR wrong number of arguments for 'get' command"],
    ["/nonsense/x", 400, "ERR unknown command 'nonsense', with args beginning with: 'x' "],
    ["/get/%FF", 400, "ERR the path is not URL-encoded UTF-8"],
    ["/hello/3", 400, "ERR Command is not available: 'hello'"],
    ["/subscribe", 400, "ERR wrong number of arguments for 'subscribe' command"],
    ["/", 405, "ERR commands in a body are sent by POST"],
    ["/pipeline", 405, "ERR commands in a body are sent by POST"],
  ])("%s: %d %s", async (path, status, error) => {
    expect(await asker()(path)).toEqual({ status, body: { error } });
  });

  test.each([
    ["", "ERR failed to parse the request: it is not JSON"],
    ["[]", "ERR a command is an array: its name and its arguments"],
    ['{"a":1}', "ERR a command is an array: its name and its arguments"],
    ['["GET",null]', "ERR word 1 of a command is neither a string nor a number"],
    ['["GET",["k"]]', "ERR word 1 of a command is neither a string nor a number"],
    ['["MONITOR"]', "ERR Command is not available: 'MONITOR'"],
  ])("body %s: %s", async (body, error) => {
    expect(await asker()("/", posted(body))).toEqual({ status: 400, body: { error } });
  });

  test("a method that HTTP has and this has not", async () => {
    expect(await asker()("/get/k", { method: "DELETE" })).toEqual({
      status: 405,
      body: { error: "ERR Method Not Allowed" },
    });
  });

  test("a body that is too long is refused, and nothing runs", async () => {
    const ask = asker({ token: TOKEN, maxRequestBytes: 1000 });
    const told = await ask("/", posted(["SET", "k", "x".repeat(1000)]));
    expect(told).toEqual({ status: 413, body: { error: "ERR max request size exceeded. Limit: 1000 bytes" } });
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(600)) });
    const streamed = await ask("/set/k", { method: "POST", body: endless, duplex: "half" } as RequestInit);
    expect(streamed.status).toBe(413);
    expect(await redis.exists("k")).toBe(0);
  });

  test("a closed instance", async () => {
    const ask = asker();
    await redis.close();
    expect((await ask("/get/k")).status).toBe(503);
  });
});

describe("pipelines and transactions", () => {
  const commands = [["SET", "k", "text"], ["INCR", "k"], ["GET", "k"]];
  const replies = [
    { result: "OK" },
    { error: "ERR value is not an integer or out of range" },
    { result: "text" },
  ];

  test.each(["/pipeline", "/multi-exec"])("%s answers each", async (path) => {
    expect(await asker()(path, posted(commands))).toEqual({ status: 200, body: replies });
  });

  test("a transaction with a command that cannot run runs nothing", async () => {
    const told = await asker()("/multi-exec", posted([["SET", "k", "v"], ["GET"]]));
    expect(told).toEqual({ status: 400, body: { error: "ERR wrong number of arguments for 'get' command" } });
    expect(await redis.exists("k")).toBe(0);
  });

  test.each([[[]], ["x"], [{}], [[[]]], [[["GET", {}]]]])("%j is neither", async (body) => {
    for (const path of ["/pipeline", "/multi-exec"]) expect((await asker()(path, posted(body))).status).toBe(400);
  });
});

describe("formats", () => {
  test("base64", async () => {
    const ask = asker();
    const in64 = { "upstash-encoding": "base64" };
    await redis.bytes.set("k", Uint8Array.of(255, 0, 1));
    await redis.set("ok", "OK");
    await redis.set("long", "x".repeat(100_000));
    const told = await ask(
      "/pipeline",
      posted([["GET", "k"], ["SET", "a", 1], ["MGET", "ok", "none"], ["PING"], ["GET", "long"], ["STRLEN", "k"]], in64),
    );
    expect(told.body).toEqual([
      { result: "/wAB" },
      { result: "OK" },
      { result: [btoa("OK"), null] },
      { result: btoa("PONG") },
      { result: btoa("x".repeat(100_000)) },
      { result: 3 },
    ]);
    const failed = await ask("/multi-exec", posted([["INCR", "k"]], in64));
    expect(failed.body).toEqual([{ error: "ERR value is not an integer or out of range" }]);
  });

  test("RESP2", async () => {
    const ask = asker();
    const resp2 = { headers: { "upstash-response-format": "resp2" } };
    await redis.hSet("h", "f", "v");
    expect((await ask("/hgetall/h", resp2)).body).toBe("*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    expect(await ask("/get/h", resp2)).toEqual({
      status: 400,
      body: "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    });
    expect((await ask("/get/h", { headers: { "upstash-response-format": "xml" } })).status).toBe(400);
    const both = { "upstash-response-format": "resp2", "upstash-encoding": "base64" };
    expect((await ask("/get/h", { headers: both })).status).toBe(400);
  });
});

describe("access", () => {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test("it has to be said who may use it", () => {
    expect(() => rest(redis, {})).toThrow(TypeError);
    expect(() => rest(redis, { token: "" })).toThrow(TypeError);
  });

  test("a wrong token, or none", async () => {
    const ask = asker();
    for (const token of ["wrong", "secre", "secrets", "SECRET"]) {
      expect(await ask("/get/k", bearer(token))).toEqual({ status: 401, body: { error: "Unauthorized" } });
    }
    expect((await ask("/get/k", { headers: { authorization: "" } })).status).toBe(401);
    expect((await ask("/get/k?_token=secret", { headers: { authorization: "" } })).status).toBe(200);
  });

  test("the token for reading", async () => {
    const ask = asker({ token: TOKEN, readOnlyToken: "reader" });
    await redis.set("k", "v");
    expect((await ask("/get/k", bearer("reader"))).body).toEqual({ result: "v" });
    expect((await ask("/object/encoding/k", bearer("reader"))).body).toEqual({ result: "embstr" });
    for (const path of ["/set/k/x", "/keys/*", "/config/get/save", "/eval/return/0", "/subscribe/c"]) {
      const { status, body } = await ask(path, bearer("reader"));
      expect([status, body.error.split(" ")[0]]).toEqual([400, "NOPERM"]);
    }
    const mixed = await ask("/pipeline", { ...posted([["GET", "k"], ["DEL", "k"]]), ...bearer("reader") });
    expect(mixed.status).toBe(400);
    expect(await redis.get("k")).toBe("v");
  });

  test("a token of a user of the ACL", async () => {
    await redis.call("ACL", "SETUSER", "app", "on", ">pw", "~app:*", "&news", "+@all", "-@dangerous");
    await redis.set("app:k", "v");
    await redis.set("k", "v");
    const users = new Map([
      ["app-token", { username: "app", password: "pw" }],
      ["stale-token", { username: "app", password: "old" }],
    ]);
    const ask = asker({ authenticate: (token) => users.get(token) });
    expect((await ask("/get/app:k", bearer("app-token"))).body).toEqual({ result: "v" });
    expect((await ask("/acl/whoami", bearer("app-token"))).body).toEqual({ result: "app" });
    const commands = [["SET", "app:k", "w"], ["SET", "k", "w"], ["FLUSHALL"]];
    expect((await ask("/pipeline", { ...posted(commands), ...bearer("app-token") })).body).toEqual([
      { result: "OK" },
      { error: "NOPERM No permissions to access a key" },
      { error: "NOPERM User app has no permissions to run the 'flushall' command" },
    ]);
    expect(await ask("/subscribe/other", bearer("app-token"))).toEqual({
      status: 400,
      body: { error: "NOPERM No permissions to access a channel" },
    });
    expect((await ask("/get/app:k", bearer("stale-token"))).status).toBe(401);
    expect((await ask("/get/app:k", bearer("unknown"))).status).toBe(401);
    expect(await redis.get("k")).toBe("v");
  });

  test("pages of another origin", async () => {
    const handler = rest(redis, { token: TOKEN, cors: "https://app.test" });
    const before = await handler(new Request(`${BASE}/`, { method: "OPTIONS" }));
    expect([before.status, before.headers.get("access-control-allow-origin")]).toEqual([204, "https://app.test"]);
    const refused = await handler(new Request(`${BASE}/get/k`));
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://app.test"]);
    expect((await rest(redis, { token: TOKEN })(new Request(`${BASE}/`, { method: "OPTIONS" }))).status).toBe(405);
  });

  test("below a path", async () => {
    const ask = asker({ token: TOKEN, path: "/redis/" });
    expect((await ask("/redis/set/k/v")).body).toEqual({ result: "OK" });
    expect((await ask("/redis", posted(["GET", "k"]))).body).toEqual({ result: "v" });
    expect((await ask("/redis2/get/k")).status).toBe(404);
    expect((await ask("/get/k")).status).toBe(404);
  });
});

describe("messages", () => {
  test("of channels and patterns, until the reader leaves", async () => {
    const handler = rest(redis, { anyone: true });
    const channels = await handler(new Request(`${BASE}/subscribe/a/b`, { method: "POST" }));
    const patterns = await handler(new Request(`${BASE}/psubscribe/${encodeURIComponent("a*")}`));
    expect(channels.headers.get("content-type")).toBe("text/event-stream");
    expect(await redis.publish("a", "one\ntwo")).toBe(2);
    const heard = async (response: Response, until: string): Promise<string> => {
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      while (!text.endsWith(until)) text += (await reader.read()).value!;
      await reader.cancel();
      return text;
    };
    expect(await heard(channels, "two\n\n")).toBe(
      "data: subscribe,a,1\n\ndata: subscribe,b,2\n\ndata: message,a,one\ndata: two\n\n",
    );
    expect(await heard(patterns, "two\n\n")).toBe("data: psubscribe,a*,1\n\ndata: pmessage,a*,a,one\ndata: two\n\n");
    await expect.poll(() => redis.publish("a", "x")).toBe(0);
  });

  test("of a monitor", async () => {
    const handler = rest(redis, { anyone: true });
    const response = await handler(new Request(`${BASE}/monitor`, { method: "POST" }));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    await redis.set("k", "a\nb");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("SET") && !text.includes("set")) text += (await reader.read()).value!;
    expect(text).toMatch(/^data: "OK"\n\ndata: \d+\.\d{6} \[0 lodis:\d+\] "set" "k" "a\\nb"\n\n$/);
    await reader.cancel();
    const ask = asker({ token: TOKEN, readOnlyToken: "read" });
    expect(await ask("/monitor/x")).toEqual({
      status: 400,
      body: { error: "ERR wrong number of arguments for 'monitor' command" },
    });
    expect(await ask("/monitor", { headers: { authorization: "Bearer read" } })).toEqual({
      status: 400,
      body: { error: "NOPERM this token has no permissions to run the 'monitor' command" },
    });
    await redis.call("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-monitor");
    const asUser = asker({ authenticate: () => ({ username: "app", password: "pw" }) });
    expect(await asUser("/monitor")).toEqual({
      status: 400,
      body: { error: "NOPERM User app has no permissions to run the 'monitor' command" },
    });
  });

  test("one whose request has ended without a word is let go", async () => {
    const response = await rest(redis, { anyone: true })(new Request(`${BASE}/subscribe/c`));
    expect(await redis.publish("c", "x")).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      vi.setSystemTime(Date.now() + 60_001);
      expect(await redis.publish("c", "to nobody")).toBe(1);
      await expect.poll(() => redis.publish("c", "x")).toBe(0);
    } finally {
      vi.useRealTimers();
    }
    await response.body!.cancel();
  });

  test("one that does not read is let go", async () => {
    const handler = rest(redis, { anyone: true });
    const response = await handler(new Request(`${BASE}/subscribe/c`));
    const large = "x".repeat(600_000);
    for (let i = 0; i < 3; i++) await redis.publish("c", large);
    await expect.poll(() => redis.publish("c", "x")).toBe(0);
    await expect(response.text()).rejects.toThrow("the subscriber does not read");
  });
});

describe("a server of Node", () => {
  const started: Server[] = [];
  const serve = async (handler: RestHandler): Promise<number> => {
    const server = createServer(toNodeListener(handler));
    started.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  afterEach(() => {
    for (const server of started.splice(0)) server.close().closeAllConnections();
  });

  /** What a server answers to bytes, with the connection's end. */
  const raw = (port: number, text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () => socket.end(text));
      socket.setEncoding("latin1").on("data", (part) => (answer += part)).on("end", () => resolve(answer)).on("error", reject);
    });

  test("long bodies, both ways", async () => {
    const url = `http://127.0.0.1:${await serve(rest(redis, { anyone: true }))}`;
    const value = "ü".repeat(2_000_000);
    const set = await fetch(`${url}/set/long`, { method: "POST", body: value });
    expect(await set.json()).toEqual({ result: "OK" });
    expect(await (await fetch(`${url}/get/long`)).json()).toEqual({ result: value });
    const tooLong = await fetch(`${url}/set/long`, { method: "POST", body: "x".repeat(11 * 1024 * 1024) });
    expect(tooLong.status).toBe(413);
    const head = await fetch(`${url}/get/long`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("who goes waits no longer", async () => {
    const url = `http://127.0.0.1:${await serve(rest(redis, { anyone: true }))}`;
    const abort = new AbortController();
    const waiting = fetch(`${url}/blpop/queue/0`, { signal: abort.signal });
    await expect.poll(() => redis.info("clients")).toContain("blocked_clients:1");
    abort.abort();
    await expect(waiting).rejects.toThrow();
    await expect.poll(() => redis.info("clients")).toContain("blocked_clients:0");
    const events = await fetch(`${url}/subscribe/c`);
    await expect.poll(() => redis.publish("c", "x")).toBe(1);
    await events.body!.cancel();
    await expect.poll(() => redis.publish("c", "x")).toBe(0);
  });

  test("what is no request is refused, and its server goes on", async () => {
    const port = await serve(rest(redis, { anyone: true }));
    expect(await raw(port, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(port, "TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(port, "GET //echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1\.1 405 /);
    expect(await raw(port, "GET /echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).toContain('{"result":"x"}');
  });

  test("a handler that fails ends the connection", async () => {
    const port = await serve(async () => Promise.reject(new Error("it fails")));
    expect(await raw(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").catch((error) => error.code)).toBeOneOf(["", "ECONNRESET"]);
  });
});
