// `lodis serve --dir`: what was acknowledged is there after the process was killed.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Raw, type Server, start } from "./serving.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lodis-serve-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// What is tried here is ours alone.
const ours = test.skipIf(process.env.LODIS_JUDGE_PORT !== undefined);

async function kill({ child }: Server): Promise<void> {
  child!.kill("SIGKILL");
  await once(child!, "exit");
}

ours("appendfsync always: every write that was answered survives a kill", async () => {
  const options = ["--dir", join(folder, "always"), "--appendfsync", "always"];
  const server = await start(...options);
  const client = createClient({ url: `redis://127.0.0.1:${server.port}` });
  client.on("error", () => {});
  await client.connect();
  let answered = 0;
  const writing = (async () => {
    for (let count = 1; ; count++) {
      await client.multi().incr("count").rPush("list", `${count}`).exec();
      answered = count;
    }
  })().catch(() => {});
  await expect.poll(() => answered, { timeout: 20_000 }).toBeGreaterThan(100);
  await kill(server);
  client.destroy();
  await writing;
  const again = await start(...options);
  const reader = createClient({ url: `redis://127.0.0.1:${again.port}` });
  await reader.connect();
  const count = Number(await reader.get("count"));
  expect(count).toBeGreaterThanOrEqual(answered);
  expect(await reader.lLen("list")).toBe(count);
  await reader.close();
  await again.stop();
});

ours("replies come in order, those of writes once they are stored", async () => {
  const server = await start("--dir", join(folder, "order"), "--appendfsync", "always");
  const raw = await Raw.open(server.port);
  const lines = Array.from({ length: 200 }, (_, index) => `INCR n\r\nPING ${index}\r\n`);
  raw.write(lines.join(""));
  const expected = lines.map((_, index) => `:${index + 1}\r\n$${String(index).length}\r\n${index}\r\n`).join("");
  expect(await raw.reply(expected)).toBe(expected);
  raw.write("SET a 1\r\nQUIT\r\n");
  expect(await raw.reply("+OK\r\n+OK\r\n")).toBe("+OK\r\n+OK\r\n");
  await expect.poll(() => raw.closed).toBe(true);
  await server.stop();
});

ours("an orderly end stores what everysec has not stored yet, and gives the directory back", async () => {
  const options = ["--dir", join(folder, "ended")];
  for (let round = 1; round <= 3; round++) {
    const server = await start(...options);
    const raw = await Raw.open(server.port);
    raw.write("INCR rounds\r\n");
    expect(await raw.reply(":1\r\n")).toBe(`:${round}\r\n`);
    raw.end();
    await server.stop();
    expect(server.child!.exitCode).toBe(0);
  }
});

ours("a directory that another server has is refused", async () => {
  const dir = join(folder, "taken");
  const server = await start("--dir", dir);
  await expect(start("--dir", dir)).rejects.toThrow(`lodis: STORE_LOCKED: the store in "${dir}" is open in process ${server.child!.pid}`);
  await server.stop();
});

ours("nothing is recorded with appendonly no", async () => {
  const options = ["--dir", join(folder, "off"), "--appendonly", "no"];
  const server = await start(...options);
  const raw = await Raw.open(server.port);
  raw.write("SET a 1\r\nCONFIG GET appendonly\r\n");
  expect(await raw.reply("+OK\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n")).toContain("no");
  raw.end();
  await server.stop();
  const again = await start(...options);
  const reader = await Raw.open(again.port);
  reader.write("GET a\r\n");
  expect(await reader.reply("$-1\r\n")).toBe("$-1\r\n");
  reader.end();
  await again.stop();
});
