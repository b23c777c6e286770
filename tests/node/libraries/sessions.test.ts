// express-session with connect-redis, over real requests.
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { RedisStore } from "connect-redis";
import express from "express";
import session, { type SessionData } from "express-session";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Site, start } from "./library.js";

declare module "express-session" {
  interface SessionData {
    user?: string;
    visits?: number;
  }
}

const HOUR = 3_600_000;
/** A time to live of so many seconds, of which some may have gone by. */
const about = (seconds: number) => expect.toSatisfy((ttl: number) => ttl <= seconds && ttl > seconds - 10);

let site: Site;
let client: Awaited<ReturnType<Site["client"]>>;
const servers: Server[] = [];
beforeEach(async () => {
  site = await start();
  client = await site.client();
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  await site.close();
});

type StoreOptions = Partial<ConstructorParameters<typeof RedisStore>[0]>;

/** An app with sessions of an hour; answers its URL. */
async function serve(options: StoreOptions = {}): Promise<string> {
  const app = express();
  const store = new RedisStore({ client, ...options });
  app.use(session({ store, secret: "s", resave: false, saveUninitialized: false, rolling: true, cookie: { maxAge: HOUR } }));
  app.post("/login/:user", (request, response, next) => {
    request.session.regenerate((error: unknown) => {
      if (error) return next(error);
      request.session.user = request.params.user;
      response.sendStatus(204);
    });
  });
  app.get("/me", (request, response) => void response.json(request.session.user ?? null));
  app.post("/visit", (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.json(request.session.visits);
  });
  app.post("/logout", (request, response, next) => {
    request.session.destroy((error: unknown) => (error ? next(error) : response.sendStatus(204)));
  });
  app.use(((error, _request, response, _next) => void response.status(500).json(error.message)) as express.ErrorRequestHandler);
  const server = app.listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Somebody with cookies. */
class Browser {
  cookie = "";

  async ask(method: "GET" | "POST", url: string): Promise<unknown> {
    const response = await fetch(url, { method, headers: { cookie: this.cookie } });
    const [set] = response.headers.getSetCookie();
    if (set !== undefined) this.cookie = set.split(";")[0]!;
    if (response.status >= 500) throw new Error(`${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : response.json();
  }

  get id(): string {
    return decodeURIComponent(this.cookie).replace(/^connect\.sid=s:(.*?)\..*$/, "$1");
  }
}

test("a session goes on from request to request, and from server to server", async () => {
  const [one, other] = [await serve(), await serve()];
  const alice = new Browser();
  const bob = new Browser();
  expect(await alice.ask("GET", `${one}/me`)).toBeNull();
  expect(await client.dbSize()).toBe(0);
  await alice.ask("POST", `${one}/login/alice`);
  await bob.ask("POST", `${other}/login/bob`);
  expect(await alice.ask("GET", `${other}/me`)).toBe("alice");
  expect(await bob.ask("GET", `${one}/me`)).toBe("bob");
  expect(await alice.ask("POST", `${one}/visit`)).toBe(1);
  expect(await alice.ask("POST", `${other}/visit`)).toBe(2);
  expect(await bob.ask("POST", `${other}/visit`)).toBe(1);
  expect(await client.keys("sess:*")).toHaveLength(2);
  expect(JSON.parse((await client.get(`sess:${alice.id}`))!)).toMatchObject({ user: "alice", visits: 2 });
});

test("logging in makes it another session, logging out ends it", async () => {
  const url = await serve();
  const alice = new Browser();
  await alice.ask("POST", `${url}/visit`);
  const before = alice.id;
  await alice.ask("POST", `${url}/login/alice`);
  expect(alice.id).not.toBe(before);
  expect(await client.exists(`sess:${before}`)).toBe(0);
  const thief = new Browser();
  thief.cookie = alice.cookie;
  await alice.ask("POST", `${url}/logout`);
  expect(await client.exists(`sess:${alice.id}`)).toBe(0);
  expect(await thief.ask("GET", `${url}/me`)).toBeNull();
});

test("each request prolongs it, and it expires", async () => {
  const url = await serve();
  const alice = new Browser();
  await alice.ask("POST", `${url}/login/alice`);
  const key = `sess:${alice.id}`;
  expect(await client.ttl(key)).toEqual(about(3600));
  await client.expire(key, 70);
  expect(await alice.ask("GET", `${url}/me`)).toBe("alice");
  expect(await client.ttl(key)).toEqual(about(3600));
  if (process.env.LODIS_JUDGE_PORT) return; // which would take an hour
  await site.pass(HOUR - 1000);
  expect(await alice.ask("GET", `${url}/me`)).toBe("alice");
  await site.pass(HOUR);
  expect(await alice.ask("GET", `${url}/me`)).toBeNull();
  expect(await client.exists(key)).toBe(0);
});

test("what a cookie's expiry and the options say of the time", async () => {
  const ttlOf = async (options: StoreOptions, data: object): Promise<number> => {
    const store = new RedisStore({ client, prefix: "ttl:", ...options });
    await store.set("id", data as SessionData);
    return client.ttl("ttl:id");
  };
  expect(await ttlOf({}, { cookie: {} })).toEqual(about(86_400));
  expect(await ttlOf({ ttl: 60 }, { cookie: {} })).toEqual(about(60));
  expect(await ttlOf({ ttl: () => 70 }, { cookie: {} })).toEqual(about(70));
  expect(await ttlOf({}, { cookie: { expires: new Date(Date.now() + 90_000) } })).toEqual(about(90));
  expect(await ttlOf({ disableTTL: true }, { cookie: {} })).toBe(-1);
  // What has expired is not stored, but deleted.
  expect(await ttlOf({}, { cookie: { expires: new Date(Date.now() - 1) } })).toBe(-2);
  const still = new RedisStore({ client, prefix: "ttl:", disableTouch: true });
  await still.set("id", { cookie: { expires: new Date(Date.now() + 90_000) } } as unknown as SessionData);
  await still.touch("id", { cookie: {} } as SessionData);
  expect(await client.ttl("ttl:id")).toEqual(about(90));
});

test("all, ids, length and clear, of one prefix among others", async () => {
  const store = new RedisStore({ client, prefix: "a:", scanCount: 10 });
  const other = new RedisStore({ client, prefix: "b:" });
  expect([await store.all(), await store.ids(), await store.length()]).toEqual([[], [], 0]);
  const ids = Array.from({ length: 250 }, (_, index) => `id-${index}`);
  for (const id of ids) await store.set(id, { cookie: {}, user: id } as SessionData);
  await other.set("id", { cookie: {} } as SessionData);
  expect(await store.length()).toBe(250);
  expect(((await store.ids()) as string[]).sort()).toEqual([...ids].sort());
  const all = (await store.all()) as { id: string; user: string }[];
  expect(all.every(({ id, user }) => id === user)).toBe(true);
  expect(all).toHaveLength(250);
  await store.destroy("id-0");
  expect(await store.get("id-0")).toBeNull();
  expect(await store.length()).toBe(249);
  await store.clear();
  expect([await store.length(), await other.length()]).toEqual([0, 1]);
});

test("a session that cannot be read, or a store that is gone, is an error of the request", async () => {
  const url = await serve();
  const alice = new Browser();
  await alice.ask("POST", `${url}/login/alice`);
  await client.set(`sess:${alice.id}`, "{not JSON");
  await expect(alice.ask("GET", `${url}/me`)).rejects.toThrow(/^500 .*JSON/);
  await client.del(`sess:${alice.id}`);
  await client.rPush(`sess:${alice.id}`, "a list");
  await expect(alice.ask("GET", `${url}/me`)).rejects.toThrow(/^500 .*WRONGTYPE/);
  client.destroy();
  await expect(alice.ask("GET", `${url}/me`)).rejects.toThrow(/^500 .*closed/);
});
