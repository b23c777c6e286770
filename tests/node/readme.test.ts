// The examples of the READMEs run, and answer what their comments say.
import { readFile, rm, writeFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";

test("the example of the package runs", async () => {
  const readme = await readFile(new URL("../../pkg/README.md", import.meta.url), "utf8");
  const [, example] = /```js\n([^]*?)```/.exec(readme)!;
  // Each awaited line that only calls is kept, so that its reply can be looked at.
  const kept = example!
    .replace(/^(await redis\.|redis\.sync\.)/gm, "replies[replies.length] = $1")
    .replace(/^const redis/m, "export const replies = [];\n$&");
  const file = new URL("./readme-example.tmp.mjs", import.meta.url);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await writeFile(file, kept);
  try {
    const { replies } = (await import(/* @vite-ignore */ file.href)) as { replies: unknown[] };
    const bytes = new TextEncoder().encode("user_data");
    expect(replies).toEqual([
      "OK", "OK", "OK", "OK", "user_data", bytes, 1, [2, "2"],
      ["v", expect.objectContaining({ code: "ERR" })], undefined,
    ]);
    expect(log.mock.calls).toEqual([["alerts", "Welcome, new user!"]]);
  } finally {
    log.mockRestore();
    await rm(file);
  }
});

test("the example of the patterns runs", async () => {
  const readme = await readFile(new URL("../../pkg/README.md", import.meta.url), "utf8");
  const [, example] = /^## Patterns\n[^]*?```js\n([^]*?)```/m.exec(readme)!;
  const before = `import { open } from "lodis";
    export const [saved, sent] = [[], []];
    const load = async (url) => ({ url });
    const save = async (value) => void saved.push(value);
    const send = async (mail) => void sent.push(mail);
    const redis = await open("patterns", { store: "memory" });`;
  const after = `export const said = [user, allowed, remaining, retryAfterMs, session.data, top];
    await behind.flushed();
    export const end = async () => {
      await Promise.all([worker.stop(), flusher.stop()]);
      await redis.close();
    };`;
  const file = new URL("./readme-patterns.tmp.mjs", import.meta.url);
  await writeFile(file, `${before}\n${example}\n${after}`);
  try {
    const { saved, sent, said, end } = await import(/* @vite-ignore */ file.href);
    const board = [{ member: "eve", score: 1200, rank: 1 }];
    expect(said).toEqual([{ url: "/users/1" }, true, 9, 0, { cart: [] }, board]);
    const changes = [{ id: expect.any(String), key: "theme", value: "dark" }];
    expect(saved).toEqual([{ fence: 1, signal: expect.any(AbortSignal) }, { changes, token: 1 }]);
    await expect.poll(() => sent).toEqual([{ to: "eve@example.org" }]);
    await end();
  } finally {
    await rm(file);
  }
});

test("the clients of Redis are connected as the package's example has it", async () => {
  const readme = await readFile(new URL("../../pkg/README.md", import.meta.url), "utf8");
  const [, example] = /## The clients of Redis[^]*?```js\n([^]*?)```/.exec(readme)!;
  const use = `
    await client.set("k", "v");
    const waiting = blocked.blpop("list", 0);
    await lodis.rpush("list", "popped");
    export const replies = [await other.get("k"), await waiting];
    socket.write("GET k\\r\\n");
    for await (const bytes of socket) { replies.push(String(bytes)); break; }
    for (const each of [client, blocked]) each.disconnect();
    await other.close();
    await listener.close();
    await lodis.close();`;
  const file = new URL("./readme-clients.tmp.mjs", import.meta.url);
  await writeFile(file, example! + use);
  try {
    const { replies } = (await import(/* @vite-ignore */ file.href)) as { replies: unknown[] };
    expect(replies).toEqual(["v", ["list", "popped"], "$1\r\nv\r\n"]);
  } finally {
    await rm(file);
  }
});

test("the example of the repository runs, and answers what its comments begin with", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [, example] = /```js\n([^]*?)```/.exec(readme)!;
  const answered = /^((?:await redis|redis\.sync)\..*); \/\/ (\[.*?\]|".*?"|\d+|null)(?=,|$)/gm;
  const lines = [...example!.matchAll(answered)].length;
  expect(lines).toBe([...example!.matchAll(/^(await redis|redis\.sync)\..*\/\//gm)].length);
  expect(lines).toBeGreaterThan(5);
  const kept = example!
    .replace(answered, "checks.push([$1, $2]); //")
    .replace(/^const redis/m, "export const checks = [];\n$&");
  const file = new URL("./readme-root.tmp.mjs", import.meta.url);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await writeFile(file, kept);
  try {
    const { checks } = (await import(/* @vite-ignore */ file.href)) as { checks: unknown[][] };
    expect(checks).toHaveLength(lines);
    for (const [answer, expected] of checks) expect(answer).toEqual(expected);
    expect(log.mock.calls).toEqual([["alerts", "Welcome, new user!"]]);
  } finally {
    log.mockRestore();
    await rm(file);
  }
});
