// `lodis serve` and clients that ask for too much: each is closed, and nobody waits for it.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Raw, type Server, start } from "./serving.js";

let server: Server;
let admin: Raw;
beforeAll(async () => {
  server = await start();
  admin = await Raw.open(server.port);
});
afterAll(async () => {
  admin.end();
  await server.stop();
});

async function ask(request: string, reply = "+OK\r\n"): Promise<void> {
  admin.write(`${request}\r\n`);
  expect(await admin.reply(reply)).toBe(reply);
}

/** What INFO says of something. */
async function info(name: string): Promise<string | undefined> {
  admin.write("INFO everything\r\n");
  const text = await admin.until((received) => /^\$\d+\r\n[^]*\r\n\r\n$/.test(received));
  return new RegExp(`^${name}:(.*)\r$`, "m").exec(text)?.[1];
}

const dropped = async () => Number((await info("client_output_buffer_limit_disconnections")) ?? 0);

async function subscriber(): Promise<Raw> {
  const slow = await Raw.open(server.port);
  slow.write("SUBSCRIBE news\r\n");
  await slow.reply("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  slow.socket.pause();
  return slow;
}

/** Publishes until nobody listens any more; answers how many bytes that took. */
async function publish(most: number): Promise<number> {
  const message = "m".repeat(1 << 20);
  for (let sent = 0; sent < most; sent += message.length) {
    const began = Date.now();
    admin.write(`PUBLISH news ${message.slice(0, 60_000)}\r\n`.repeat(17));
    const replies = await admin.until((received) => received.split("\n").length > 17);
    expect(Date.now() - began, "the publisher waits for nobody").toBeLessThan(5000);
    if (replies.endsWith(":0\r\n")) return sent;
  }
  return most;
}

test("a subscriber that does not read is dropped at the hard limit", { timeout: 60_000 }, async () => {
  const before = await dropped();
  await ask("CONFIG SET client-output-buffer-limit 'pubsub 4mb 0 0'");
  const slow = await subscriber();
  // The kernel takes some megabytes before.
  expect(await publish(100 << 20)).toBeLessThan(100 << 20);
  expect(await dropped()).toBe(before + 1);
  slow.socket.resume();
  await slow.until(() => false);
  expect(slow.closed).toBe(true);
});

test("and at the soft limit after its time", { timeout: 60_000 }, async () => {
  const before = await dropped();
  await ask("CONFIG SET client-output-buffer-limit 'pubsub 0 1mb 1'");
  const slow = await subscriber();
  await publish(20 << 20);
  admin.write("CLIENT LIST TYPE pubsub\r\n");
  const listed = await admin.until((received) => received.endsWith("\n\r\n"));
  expect(Number(/ omem=(\d+)/.exec(listed)?.[1])).toBeGreaterThan(1 << 20);
  await vi.waitFor(async () => expect(await dropped()).toBe(before + 1), { timeout: 20_000, interval: 200 });
  await ask("CONFIG SET client-output-buffer-limit 'pubsub 32mb 8mb 60'");
  slow.end();
});

test("a request without an end is not waited for", async () => {
  await ask("CONFIG SET client-query-buffer-limit 1mb");
  const endless = await Raw.open(server.port);
  endless.write("*2\r\n$4\r\nECHO\r\n$100000000\r\n");
  const piece = "x".repeat(1 << 18);
  for (let count = 0; count < 400 && !endless.closed; count++) {
    endless.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await endless.until(() => false);
  expect(endless.closed).toBe(true);
  await ask("CONFIG SET client-query-buffer-limit 1gb");
});

test("too many clients are refused", async () => {
  const before = Number(await info("rejected_connections"));
  await ask("CONFIG SET maxclients 1");
  const refused = await Raw.open(server.port);
  expect(await refused.until(() => false)).toBe("-ERR max number of clients reached\r\n");
  expect(await info("rejected_connections")).toBe(String(before + 1));
  await ask("CONFIG SET maxclients 10000");
});

test("who is silent for longer than timeout is closed, but no subscriber", { timeout: 20_000 }, async () => {
  const listener = await subscriber();
  const silent = await Raw.open(server.port);
  silent.write("PING\r\n");
  await silent.reply("+PONG\r\n");
  await ask("CONFIG SET timeout 1");
  await silent.until(() => false);
  expect(silent.closed).toBe(true);
  expect(listener.closed).toBe(false);
  const again = await Raw.open(server.port);
  admin.end();
  admin = again;
  await ask("CONFIG SET timeout 0");
  listener.end();
});
