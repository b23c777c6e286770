// Servers of socket.io that know of one another through Redis: the adapter of channels, and that of shard channels.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { type RemoteSocket, Server } from "socket.io";
import { io, type Socket } from "socket.io-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Site, start } from "./library.js";

type Make = (site: Site) => Promise<ReturnType<typeof createAdapter | typeof createShardedAdapter>>;
type Pair = [publisher: unknown, subscriber: unknown];

const overIoredis = async (site: Site): Promise<Pair> => [site.io(), site.io()];
const overRedis = async (site: Site): Promise<Pair> => [await site.client(), await site.client()];
const options = { requestsTimeout: 2000 };

const adapters: [string, Make][] = [
  ["createAdapter with ioredis", async (site) => createAdapter(...(await overIoredis(site)), options)],
  ["createAdapter with redis", async (site) => createAdapter(...(await overRedis(site)), options)],
  ["createAdapter, of specific responses", async (site) =>
    createAdapter(...(await overIoredis(site)), { ...options, publishOnSpecificResponseChannel: true })],
  ["createShardedAdapter with ioredis", async (site) => createShardedAdapter(...(await overIoredis(site)))],
  ["createShardedAdapter with redis", async (site) => createShardedAdapter(...(await overRedis(site)))],
  ["createShardedAdapter, a channel a room", async (site) =>
    createShardedAdapter(...(await overRedis(site)), { subscriptionMode: "dynamic-private" })],
];

let site: Site;
const servers: [Server, HttpServer][] = [];
const clients: Socket[] = [];
beforeEach(async () => {
  site = await start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const [server] of servers.splice(0)) await server.close();
  await site.close();
});

async function serve(make: Make): Promise<Server> {
  const http = createServer();
  const server = new Server(http, { adapter: await make(site) });
  servers.push([server, http]);
  server.on("connection", (socket) => {
    socket.on("join", async (room: string, done: () => void) => {
      await socket.join(room);
      done();
    });
    socket.on("say", (room: string, text: string) => socket.to(room).emit("said", text));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return server;
}

/** A client of a server, and what it has been told. */
async function connect(server: Server): Promise<Socket & { heard: unknown[][] }> {
  const [, http] = servers.find(([known]) => known === server)!;
  const client = io(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ["websocket"] });
  clients.push(client);
  const heard: unknown[][] = [];
  client.onAny((...event: unknown[]) => {
    if (typeof event.at(-1) !== "function") heard.push(event);
  });
  await once(client as unknown as NodeJS.EventEmitter, "connect");
  return Object.assign(client, { heard });
}

const join = (client: Socket, room: string) => client.emitWithAck("join", room);

/** Two servers that have heard of one another. */
async function two(make: Make): Promise<[Server, Server]> {
  const both: [Server, Server] = [await serve(make), await serve(make)];
  for (const server of both) {
    await expect.poll(() => server.of("/").adapter.serverCount(), { timeout: 10_000 }).toBe(2);
  }
  return both;
}

describe.each(adapters)("%s", (_name, make) => {
  test("broadcasts reach everybody, rooms their members, and none of them those who are left out", async () => {
    const [one, other] = await two(make);
    const [a, b, c] = [await connect(one), await connect(other), await connect(other)];
    one.emit("all", 1, { nested: [true] }, Buffer.from([0, 255]));
    await expect.poll(() => [a, b, c].map(({ heard }) => heard.length)).toEqual([1, 1, 1]);
    expect(b.heard).toEqual([["all", 1, { nested: [true] }, Buffer.from([0, 255])]]);

    await Promise.all([join(a, "blue"), join(b, "blue"), join(c, "red")]);
    one.to("blue").emit("room", "blue");
    other.to(["blue", "red"]).except("red").emit("room", "not red");
    a.emit("say", "blue", "from a");
    other.local.emit("local");
    await expect.poll(() => b.heard.slice(1)).toEqual(
      expect.arrayContaining([["room", "blue"], ["room", "not red"], ["said", "from a"], ["local"]]),
    );
    one.emit("last");
    await expect.poll(() => [a, b, c].map(({ heard }) => heard.at(-1)![0])).toEqual(["last", "last", "last"]);
    expect(c.heard.slice(1)).toEqual([["local"], ["last"]]);
    // Of what two servers have sent, either may come first.
    expect(a.heard.slice(1, -1).sort()).toEqual([["room", "blue"], ["room", "not red"]]);
  });

  test("sockets of another server are found, moved and disconnected", async () => {
    const [one, other] = await two(make);
    const [a, b] = [await connect(one), await connect(other)];
    const idsOf = (sockets: RemoteSocket<never, unknown>[]) => sockets.map(({ id }) => id).sort();
    expect(idsOf((await one.fetchSockets()) as never)).toEqual([a.id, b.id].sort());
    one.in(b.id!).socketsJoin("joined");
    await expect.poll(async () => idsOf((await one.in("joined").fetchSockets()) as never)).toEqual([b.id]);
    const [remote] = await one.in("joined").fetchSockets();
    expect(remote!.rooms.has("joined")).toBe(true);
    remote!.emit("hello", "b");
    await expect.poll(() => b.heard).toEqual([["hello", "b"]]);
    one.in("joined").socketsLeave("joined");
    await expect.poll(async () => (await one.in("joined").fetchSockets()).length).toBe(0);
    const gone = once(b as unknown as NodeJS.EventEmitter, "disconnect");
    one.in(b.id!).disconnectSockets(true);
    expect((await gone)[0]).toMatch(/transport close|io server disconnect/);
    await expect.poll(async () => idsOf((await one.fetchSockets()) as never)).toEqual([a.id]);
  });

  test("servers and clients answer one another", async () => {
    const [one, other] = await two(make);
    const [a, b] = [await connect(one), await connect(other)];
    other.on("ask", (text: string, answer: (reply: string) => void) => answer(`${text}!`));
    expect(await one.serverSideEmitWithAck("ask", "who")).toEqual(["who!"]);
    const heard = new Promise((resolve) => other.on("tell", (...words: unknown[]) => resolve(words)));
    one.serverSideEmit("tell", 1, { two: 2 });
    expect(await heard).toEqual([1, { two: 2 }]);
    for (const [client, name] of [[a, "a"], [b, "b"]] as const) {
      client.on("name", (answer: (name: string) => void) => answer(name));
    }
    expect((await one.timeout(5000).emitWithAck("name")).sort()).toEqual(["a", "b"]);
    // Who does not answer is waited for until the time is over.
    b.off("name");
    await expect(one.timeout(1000).emitWithAck("name")).rejects.toMatchObject({ responses: ["a"] });
  });

  test("a server that closes is missed by nobody", async () => {
    const [one, other] = await two(make);
    const a = await connect(one);
    await connect(other);
    const [[closing]] = servers.splice(servers.findIndex(([server]) => server === other), 1) as [[Server, HttpServer]];
    await closing.close();
    await expect.poll(() => one.of("/").adapter.serverCount(), { timeout: 10_000 }).toBe(1);
    one.emit("still");
    await expect.poll(() => a.heard).toEqual([["still"]]);
    expect((await one.fetchSockets()).map(({ id }) => id)).toEqual([a.id]);
  });

  test("namespaces are apart", async () => {
    const [one, other] = await two(make);
    for (const server of [one, other]) server.of("/chat");
    const [, http] = servers[1]!;
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/chat`;
    const chat = io(url, { transports: ["websocket"] });
    clients.push(chat);
    await once(chat as unknown as NodeJS.EventEmitter, "connect");
    const plain = await connect(other);
    await expect.poll(() => one.of("/chat").adapter.serverCount(), { timeout: 10_000 }).toBe(2);
    const told = once(chat as unknown as NodeJS.EventEmitter, "talk");
    one.of("/chat").emit("talk", "hi");
    expect(await told).toEqual(["hi"]);
    one.emit("end");
    await expect.poll(() => plain.heard).toEqual([["end"]]);
  });
});

test("an adapter hears again once its subscriber is connected again", async () => {
  const [one, other] = await two(async () => createAdapter(...(await overIoredis(site)), options));
  const b = await connect(other);
  const admin = site.io();
  expect(await admin.call("CLIENT", "KILL", "TYPE", "pubsub")).toBe(2);
  await expect.poll(() => one.of("/").adapter.serverCount(), { timeout: 10_000 }).toBe(2);
  await expect.poll(async () => {
    one.emit("again");
    return b.heard.length;
  }).toBeGreaterThan(0);
});
