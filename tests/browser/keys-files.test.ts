// Files in and out of the key browser of the playground, through its interface; Redis's own tools judge them.
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Download } from "playwright-core";
import { expect, test } from "vitest";
import { newDirectory, startRealRedis } from "../node/real-redis.js";
import { keysSuite } from "./keys-suite.js";

const run = promisify(execFile);
const suite = keysSuite();
const { keys, detail, dialog, press, fill, done } = suite;

interface Given {
  readonly name: string;
  readonly bytes: Uint8Array | string;
}

/** Gives files by the button. */
async function give(...files: Given[]): Promise<void> {
  await suite.page.locator("input[type=file]").setInputFiles(files.map(({ name, bytes }) => ({ name, mimeType: "", buffer: Buffer.from(bytes) })));
}

/** Drops files. */
async function drop(...files: Given[]): Promise<void> {
  const plain = files.map(({ name, bytes }) => ({ name, bytes: [...Buffer.from(bytes)] }));
  await suite.page.locator(".keys").evaluate((place, files) => {
    const dataTransfer = new DataTransfer();
    for (const { name, bytes } of files) dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
    for (const type of ["dragover", "drop"]) place.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }, plain);
}

async function exported(what: string, format: string): Promise<Download> {
  await fill({ What: what }, "Cancel");
  await press(what === "key" ? "Export key" : what === "chosen" ? "Export selected keys" : "Export");
  const [file] = await Promise.all([suite.page.waitForEvent("download"), fill({ What: what, As: format }, "Export")]);
  await done();
  return file;
}

/** What is there, as redis-cli would print it. */
async function look(...commands: string[]): Promise<string[]> {
  const all: string[] = [];
  for (const command of commands) all.push(await suite.other.type(command));
  return all;
}

const json = (...keys: object[]): string => JSON.stringify({ format: "lodis-keys", version: 1, keys });

/** The files of a real server: what it dumps, and its append-only file in parts. */
async function ofRealRedis(): Promise<{ rdb: Buffer; base: Given; incr: Given; manifest: Given }> {
  const server = await startRealRedis(await newDirectory(), "--appendonly", "yes");
  try {
    const { client, directory } = server;
    await client.set("real", "one");
    await client.hset("real:hash", Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`f${index}`, `v${index}`])));
    await client.xadd("real:stream", "1-1", "f", "v");
    await client.xgroup("CREATE", "real:stream", "workers", "0");
    await client.set("real:time", "x", "PXAT", 4_000_000_000_000);
    await client.select(4);
    await client.zadd("four", 1.5, "m");
    await client.save();
    const rdb = await readFile(join(directory, "dump.rdb"));
    const folder = join(directory, "appendonlydir");
    const part = async (name: string): Promise<Given> => ({ name, bytes: await readFile(join(folder, name)) });
    return { rdb, base: await part("appendonly.aof.1.base.rdb"), incr: await part("appendonly.aof.1.incr.aof"), manifest: await part("appendonly.aof.manifest") };
  } finally {
    await server.stop();
  }
}

test("a dump of a real server is imported beside what is there, and undone", async () => {
  const { rdb } = await ofRealRedis();
  await suite.other.type("SET real mine EX 5000");
  await suite.other.type("SET other x");
  await keys();
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await drop({ name: "dump.rdb", bytes: rdb });
  await dialog().getByRole("heading", { name: "Import 5 keys of dump.rdb?" }).waitFor();
  await dialog().getByText("They go to databases 0 (4), 4 (1).").waitFor();
  expect(await look("DBSIZE", "GET real")).toEqual(["(integer) 2", '"mine"']);
  await press("Cancel", dialog());
  await suite.page.getByText("Nothing was imported.").waitFor();
  await give({ name: "dump.rdb", bytes: rdb });
  await press("Import", dialog());
  await suite.page.getByText("Imported 5 keys of dump.rdb.").waitFor();
  await suite.page.getByText("5 keys", { exact: true }).waitFor();
  expect(await look("GET real", "TTL real", "HLEN real:hash", "GET other", "PEXPIRETIME real:time")).toEqual(['"one"', "(integer) -1", "(integer) 500", '"x"', "(integer) 4000000000000"]);
  expect(await suite.other.type("XINFO GROUPS real:stream")).toContain('"workers"');
  await press("Undo");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  const [value, left] = await look("GET real", "TTL real");
  expect(value).toBe('"mine"');
  expect(left).toMatch(/^\(integer\) (49\d\d|5000)$/);
  await look("SELECT 4");
  expect(await look("DBSIZE", "SELECT 0")).toEqual(["(integer) 0", "OK"]);
});

test("keys that are there may be kept, or all go, and that is undone too", async () => {
  const { rdb } = await ofRealRedis();
  await look("SET real mine", "SET other x", "SELECT 9", "SET nine 9", "SELECT 0");
  await keys();
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await give({ name: "dump.rdb", bytes: rdb });
  await fill({ "Keys of the same name that are there": "keep" }, "Import");
  await suite.page.getByText("Imported 4 keys of dump.rdb, and kept 1 as they were.").waitFor();
  expect(await look("GET real", "DBSIZE")).toEqual(['"mine"', "(integer) 5"]);
  await press("Undo");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await give({ name: "dump.rdb", bytes: rdb });
  await fill({ "Keys of the same name that are there": "everything" }, "Import");
  await suite.page.getByText("Imported 5 keys of dump.rdb.").waitFor();
  await suite.page.getByText("4 keys", { exact: true }).waitFor();
  expect(await look("GET real", "EXISTS other", "SELECT 9", "DBSIZE", "SELECT 0")).toEqual(['"one"', "(integer) 0", "OK", "(integer) 0", "OK"]);
  await press("Undo");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  expect(await look("GET real", "GET other", "SELECT 9", "GET nine", "SELECT 0")).toEqual(['"mine"', '"x"', "OK", '"9"', "OK"]);
});

test("the parts of an append-only file of a real server are one, and several files are imported together", async () => {
  const { base, incr, manifest } = await ofRealRedis();
  await keys();
  await suite.page.getByText("0 keys", { exact: true }).waitFor();
  const cut = Buffer.from(incr.bytes);
  await drop(manifest, { ...incr, bytes: cut.subarray(0, cut.length - 3) }, base, { name: "more.json", bytes: json({ key: "json", type: "list", ttl: null, value: ["a"] }) });
  await dialog().getByRole("heading", { name: "Import 5 keys of 4 files?" }).waitFor();
  await dialog().getByText("What stood last in the file was not whole").waitFor();
  await press("Import", dialog());
  await suite.page.getByText("Imported 5 keys of 4 files.").waitFor();
  expect(await look("GET real", "HGET real:hash f499", "LRANGE json 0 -1", "SELECT 4", "DBSIZE", "SELECT 0")).toEqual(['"one"', '"v499"', '1) "a"', "OK", "(integer) 0", "OK"]);
});

test("what is exported loads into a real server: everything, what was found, what is selected, one key", async () => {
  await look("SET user:1 a EX 5000", "HSET user:2 f v", "SET page x", "SELECT 3", "RPUSH three 1 2 3", "SELECT 0");
  await keys("/0/user:2");
  await detail().getByText("1 field").waitFor();
  await suite.page.getByLabel("Pattern").fill("user:*");
  await press("Search");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await press("Select");
  await suite.page.locator('[data-id="folder user:"]').press("Home");
  await suite.page.keyboard.press("ArrowRight");
  await suite.page.locator('[data-id="key user:1"]').click();
  await suite.page.getByText("1 selected", { exact: true }).waitFor();
  const found: Record<string, string[]> = {};
  for (const what of ["everything", "found", "chosen", "key"]) {
    await press("Export");
    const file = await exported(what, "rdb");
    const directory = await newDirectory();
    await writeFile(join(directory, "dump.rdb"), await readFile(await file.path()));
    expect((await run("redis-check-rdb", [join(directory, "dump.rdb")])).stdout).toContain("RDB looks OK");
    const server = await startRealRedis(directory);
    found[what] = (await server.client.keys("*")).sort();
    if (what === "everything") found.three = await server.client.select(3).then(() => server.client.lrange("three", 0, -1));
    await server.stop();
  }
  expect(found).toEqual({ everything: ["page", "user:1", "user:2"], three: ["1", "2", "3"], found: ["user:1", "user:2"], chosen: ["user:1"], key: ["user:2"] });

  await press("Export");
  const aof = await exported("found", "aof");
  expect(aof.suggestedFilename()).toBe("appendonly.aof");
  const directory = await newDirectory();
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "appendonly.aof"), await readFile(await aof.path()));
  expect((await run("redis-check-aof", [join(directory, "appendonly.aof")])).stdout).toContain("is valid");
  await press("Export");
  const text = JSON.parse(await readFile(await (await exported("everything", "json")).path(), "utf8")) as { keys: { db: number; key: string }[] };
  expect(text.keys.map(({ db, key }) => [db, key]).sort()).toEqual([[0, "page"], [0, "user:1"], [0, "user:2"], [3, "three"]]);
});

test("wrong files are refused in words, all of them if one is wrong, and nothing changes", async () => {
  const { rdb } = await ofRealRedis();
  await look("SET k v");
  await keys();
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  const damaged = Buffer.from(rdb);
  damaged[damaged.length >> 1]! ^= 0xff;
  const good: Given = { name: "good.json", bytes: json({ key: "k", type: "string", value: "other" }) };
  const refused: [Given[], RegExp][] = [
    [[{ name: "photo.png", bytes: "\x89PNG" }], /^photo\.png: this is neither an RDB file, nor an AOF, nor JSON\.$/],
    [[{ name: "empty.rdb", bytes: "" }], /^empty\.rdb: the file is empty\.$/],
    [[{ name: "cut.rdb", bytes: rdb.subarray(0, rdb.length - 20) }], /^cut\.rdb: .*ends too early/],
    [[{ name: "damaged.rdb", bytes: damaged }], /^damaged\.rdb: .*cannot be loaded/],
    [[{ name: "bad.aof", bytes: "*1\r\n$4\r\nPING\r\n" }], /^bad\.aof: command 1, PING, has no place/],
    [[{ name: "worse.aof", bytes: "*2\r\n$3\r\nDEL\r\nkey\r\n" }], /^worse\.aof: this is no append-only file/],
    [[good, { name: "type.aof", bytes: "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n*3\r\n$5\r\nLPUSH\r\n$1\r\na\r\n$1\r\nb\r\n" }], /^type\.aof: WRONGTYPE/],
    [[good, { name: "order.json", bytes: json({ key: "s", type: "stream", value: [["2-1", ["f", "v"]], ["1-1", ["f", "v"]]] }) }], /^order\.json: ERR The ID specified in XADD/],
    [[{ name: "far.json", bytes: json({ db: 99, key: "far", type: "string", value: "v" }) }], /^far\.json: ERR DB index is out of range$/],
    [[{ name: "far.aof", bytes: "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" }], /^far\.aof: ERR DB index is out of range$/],
    [[{ name: "some.manifest", bytes: "file x" }], /^There is nothing to import in that\.$/],
  ];
  for (const [files, words] of refused) {
    await give(...files);
    await expect.poll(() => suite.page.locator(".keys > [role=alert]").innerText(), { timeout: 10_000 }).toMatch(words);
  }
  expect(await dialog().count()).toBe(0);
  expect(await look("GET k", "DBSIZE")).toEqual(['"v"', "(integer) 1"]);
});

test("an import that is cancelled leaves everything as it was", async () => {
  await look("SET k1 mine", "SET other x");
  await keys();
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  const many = Array.from({ length: 30_000 }, (_, index) => `{"key":"k${index}","type":"string","ttl":null,"value":"v"}`);
  await give({ name: "many.json", bytes: `{"format":"lodis-keys","version":1,"keys":[\n${many.join(",\n")}\n]}\n` });
  await dialog().getByRole("heading", { name: "Import 30,000 keys of many.json?" }).waitFor();
  await press("Import", dialog());
  // Some of it is there.
  await expect.poll(() => suite.page.locator("progress").evaluate((bar: HTMLProgressElement) => bar.value), { interval: 5 }).toBeGreaterThan(0);
  await press("Cancel");
  await suite.page.getByText("was cancelled. Nothing has changed.").waitFor();
  expect(await look("GET k1", "GET other", "DBSIZE")).toEqual(['"mine"', '"x"', "(integer) 2"]);
});

test("in the tab that leads, everything is replaced in one step, and comes back", async () => {
  const { rdb } = await ofRealRedis();
  await look("SET mine x", "SELECT 9", "SET nine 9", "SELECT 0");
  const { page } = suite.other;
  await page.goto(`${suite.url}#/keys`);
  await page.getByText("1 key", { exact: true }).waitFor();
  await page.locator("input[type=file]").setInputFiles({ name: "dump.rdb", mimeType: "", buffer: rdb });
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Keys of the same name that are there").selectOption("everything");
  await dialog.getByRole("button", { name: "Import" }).click();
  await page.getByText("Imported 5 keys of dump.rdb.").waitFor();
  await page.getByText("4 keys", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("1 key", { exact: true }).waitFor();
  await page.goto(`${suite.url}#/`);
  expect(await look("GET mine", "DBSIZE", "SELECT 9", "GET nine", "SELECT 0")).toEqual(['"x"', "(integer) 1", "OK", '"9"', "OK"]);
});
