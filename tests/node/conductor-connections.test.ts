// Connections of clients to an instance that shares its data, between the conductor and tabs that the test plays itself.
import { once } from "node:events";
import { createConnection } from "lodis/node";
import { expect, test } from "vitest";
import { playTabs, turn } from "./conducting.js";

const begin = playTabs();

test("the tab that leads serves them; what is written is told to the others", async () => {
  const { redis, tabs } = await begin((tabs) => tabs.lead());
  const socket = createConnection(redis as never).setEncoding("latin1");
  socket.write("SET k v\r\n");
  expect(await once(socket, "data")).toEqual(["+OK\r\n"]);
  expect(await redis.get("k")).toBe("v");
  expect(tabs.requests).toEqual([]);
  socket.destroy();
});

test("a tab that is not sure whether it leads runs nothing before it is", async () => {
  const { redis, tabs } = await begin((tabs) => tabs.lead());
  const socket = createConnection(redis as never).setEncoding("latin1");
  await once(socket, "connect");
  tabs.emit({ type: "tabs", count: 1 });
  tabs.isSure = false;
  let told = "";
  socket.on("data", (text: string) => (told += text));
  socket.write("INCR n\r\n");
  await expect.poll(() => tabs.asked()).toEqual(["client getredir"]);
  socket.write("INCR n\r\n");
  await turn();
  expect(told).toBe("");
  tabs.isSure = true;
  tabs.reply(0, ":-1\r\n");
  await expect.poll(() => told).toBe(":1\r\n:2\r\n");
  socket.destroy();
});

test("a request that waits goes with its client, or with the lead", async () => {
  const { redis, tabs } = await begin((tabs) => tabs.lead());
  tabs.emit({ type: "tabs", count: 1 });
  tabs.isSure = false;
  const [gone, waiting] = [createConnection(redis as never), createConnection(redis as never)];
  gone.write("SET gone v\r\n");
  waiting.write("SET waiting v\r\n");
  await expect.poll(() => tabs.asked().length).toBe(2);
  gone.destroy();
  await once(gone, "close");
  const closed = once(waiting.resume(), "close");
  tabs.emit({ type: "follow", transaction: false, tracking: 0 });
  await closed;
  tabs.reply(0, ":-1\r\n");
  tabs.reply(1, ":-1\r\n");
  await turn();
  tabs.emit({ type: "copy", readable: true });
  expect(await redis.exists("gone", "waiting")).toBe(0);
});

test("another tab leads from now on: connections end, and new ones are refused", async () => {
  const { redis, tabs } = await begin((tabs) => tabs.lead());
  const socket = createConnection(redis as never);
  await once(socket, "connect");
  const closed = once(socket.resume(), "close");
  tabs.emit({ type: "follow", transaction: false, tracking: 0 });
  expect(await closed).toEqual([false]);
  const late = createConnection(redis as never);
  const [error] = (await once(late, "error")) as [Error];
  expect(error).toMatchObject({ code: "ECONNREFUSED", message: expect.stringContaining("READONLY Another tab leads") });
  tabs.lead();
  const again = createConnection(redis as never).setEncoding("latin1");
  again.write("PING\r\n");
  expect(await once(again, "data")).toEqual(["+PONG\r\n"]);
  again.destroy();
});
