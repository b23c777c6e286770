// `lodis serve` on the wire: requests in pieces, broken ones, many, large, and peers that misbehave.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Raw, type Server, start } from "./serving.js";

let server: Server;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server.stop());

async function exchange(peer: Raw, request: string, reply: string): Promise<void> {
  peer.write(request);
  expect(await peer.reply(reply)).toBe(reply);
}

test("arrays, inline commands, empty requests", async () => {
  const peer = await Raw.open(server.port);
  await exchange(peer, "*3\r\n$3\r\nSET\r\n$4\r\nraw1\r\n$3\r\n\0\xff\n\r\n", "+OK\r\n");
  await exchange(peer, "get raw1\r\n", "$3\r\n\0\xff\n\r\n");
  await exchange(peer, "\r\n*0\r\nEXISTS raw1\n", ":1\r\n");
  await exchange(peer, "NOSUCH a b\r\n", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n");
  peer.end();
});

test("a request that comes byte by byte", async () => {
  const peer = await Raw.open(server.port);
  const request = "*3\r\n$3\r\nSET\r\n$4\r\nraw2\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$4\r\nraw2\r\n";
  for (const byte of request) {
    peer.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await peer.reply("+OK\r\n$5\r\nvalue\r\n")).toBe("+OK\r\n$5\r\nvalue\r\n");
  peer.end();
});

test.each([
  ["*x\r\n", "invalid multibulk length"],
  ["*2147483648\r\n", "invalid multibulk length"],
  ["*1\r\n:1\r\n", "expected '$', got ':'"],
  ["*1\r\n$-2\r\n", "invalid bulk length"],
  ["*1\r\n$999999999999\r\n", "invalid bulk length"],
  ['get "a\r\n', "unbalanced quotes in request"],
])("broken RESP %j is answered and ends the connection", async (request, text) => {
  const peer = await Raw.open(server.port);
  peer.write(`SET raw3 kept\r\n${request}SET raw3 lost\r\n`);
  expect(await peer.until(() => false)).toBe(`+OK\r\n-ERR Protocol error: ${text}\r\n`);
  expect(peer.closed).toBe(true);
  const other = await Raw.open(server.port);
  await exchange(other, "GET raw3\r\n", "$4\r\nkept\r\n");
  other.end();
});

test("CLIENT KILL ends another's connection at once, though it sends nothing", async () => {
  const victim = await Raw.open(server.port);
  victim.write("CLIENT SETNAME victim\r\nCLIENT ID\r\n");
  const id = /:(\d+)/.exec(await victim.until((text) => /:\d+\r\n/.test(text)))?.[1];
  const killer = await Raw.open(server.port);
  await exchange(killer, `CLIENT KILL ID ${id}\r\n`, ":1\r\n");
  await victim.until(() => false);
  expect(victim.closed).toBe(true);
  killer.end();
});

test("QUIT is answered, and nothing after it is run", async () => {
  const peer = await Raw.open(server.port);
  peer.write("SET raw4 kept\r\nQUIT\r\nSET raw4 lost\r\n");
  expect(await peer.until(() => false)).toBe("+OK\r\n+OK\r\n");
  const other = await Raw.open(server.port);
  await exchange(other, "GET raw4\r\n", "$4\r\nkept\r\n");
  other.end();
});

test("a pipeline of 100,000 commands is answered in order", async () => {
  const peer = await Raw.open(server.port);
  await exchange(peer, "DEL raw5\r\n", ":0\r\n");
  peer.write("INCR raw5\r\n".repeat(100_000));
  const expected = Array.from({ length: 100_000 }, (_, index) => `:${index + 1}\r\n`).join("");
  expect((await peer.reply(expected)) === expected).toBe(true);
  await exchange(peer, "DEL raw5\r\n", ":1\r\n");
  peer.end();
});

test("a peer that sends and does not read for a while gets every reply", async () => {
  const peer = await Raw.open(server.port);
  const value = "v".repeat(1 << 20);
  await exchange(peer, `*3\r\n$3\r\nSET\r\n$4\r\nraw6\r\n$${value.length}\r\n${value}\r\n`, "+OK\r\n");
  peer.socket.pause();
  peer.write("GET raw6\r\n".repeat(100));
  const other = await Raw.open(server.port);
  await exchange(other, "STRLEN raw6\r\n", ":1048576\r\n");
  peer.socket.resume();
  const reply = `$${value.length}\r\n${value}\r\n`;
  let received = 0;
  while (received < reply.length * 100) received += (await peer.until((text) => text !== "")).length;
  expect(received).toBe(reply.length * 100);
  await exchange(peer, "STRLEN raw6\r\n", ":1048576\r\n");
  peer.end();
  other.end();
});

test("a few bytes that ask for gigabytes do no harm while nobody takes them", async () => {
  const peer = await Raw.open(server.port);
  peer.socket.pause();
  peer.write("GET raw6\r\n".repeat(6000));
  const other = await Raw.open(server.port);
  await exchange(other, "STRLEN raw6\r\n", ":1048576\r\n");
  peer.end();
  await exchange(other, "STRLEN raw6\r\n", ":1048576\r\n");
  other.end();
});

test("a subscriber that does not read is disconnected", async () => {
  const peer = await Raw.open(server.port);
  await exchange(peer, "SUBSCRIBE raw10\r\n", "*3\r\n$9\r\nsubscribe\r\n$5\r\nraw10\r\n:1\r\n");
  peer.socket.pause();
  const other = await Raw.open(server.port);
  const message = "m".repeat(1 << 20);
  const publish = `*3\r\n$7\r\nPUBLISH\r\n$5\r\nraw10\r\n$${message.length}\r\n${message}\r\n`;
  let receivers = ":1\r\n";
  for (let sent = 0; sent < 100 && receivers === ":1\r\n"; sent++) {
    other.write(publish);
    receivers = await other.reply(":1\r\n");
  }
  expect(receivers).toBe(":0\r\n");
  peer.end();
  other.end();
});

test("a hundred connections at once, each with a session of its own", async () => {
  const peers = await Promise.all(Array.from({ length: 100 }, () => Raw.open(server.port)));
  await Promise.all(
    peers.map(async (peer, index) => {
      const database = index % 16;
      await exchange(peer, `SELECT ${database}\r\nSET raw7:${index} ${database}\r\n`, "+OK\r\n+OK\r\n");
      const text = String(database);
      await exchange(peer, `GET raw7:${index}\r\n`, `$${text.length}\r\n${text}\r\n`);
    }),
  );
  peers.forEach((peer) => peer.end());
});

test("a peer that breaks off in a request or a transaction leaves nothing behind", async () => {
  const peer = await Raw.open(server.port);
  await exchange(peer, "MULTI\r\nSET raw8 lost\r\n", "+OK\r\n+QUEUED\r\n");
  peer.write("*3\r\n$3\r\nSET\r\n$4\r\nraw8\r\n$100\r\nhalf");
  peer.end();
  const other = await Raw.open(server.port);
  await exchange(other, "EXISTS raw8\r\n", ":0\r\n");
  other.end();
});

test("a message reaches its subscribers at once, in the form of their protocol", async () => {
  const [two, three, sender] = await Promise.all([1, 2, 3].map(() => Raw.open(server.port)));
  await exchange(two!, "SUBSCRIBE raw9\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nraw9\r\n:1\r\n");
  three!.write("HELLO 3\r\n");
  expect(await three!.until((text) => text.endsWith("*0\r\n"))).toMatch(/^%7\r\n\$6\r\nserver\r\n/);
  await exchange(three!, "PSUBSCRIBE raw?\r\n", ">3\r\n$10\r\npsubscribe\r\n$4\r\nraw?\r\n:1\r\n");
  await exchange(sender!, "PUBLISH raw9 hi\r\n", ":2\r\n");
  const message = "*3\r\n$7\r\nmessage\r\n$4\r\nraw9\r\n$2\r\nhi\r\n";
  expect(await two!.reply(message)).toBe(message);
  const push = ">4\r\n$8\r\npmessage\r\n$4\r\nraw?\r\n$4\r\nraw9\r\n$2\r\nhi\r\n";
  expect(await three!.reply(push)).toBe(push);
  for (const peer of [two, three, sender]) peer!.end();
});
