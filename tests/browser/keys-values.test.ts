// What the key browser of the playground shows of keys of every kind, through its interface.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { keysSuite } from "./keys-suite.js";

const suite = keysSuite();
const { keys, detail, dialog, press, fill, done, cells } = suite;
const value = () => detail().getByLabel("Value", { exact: true });
const format = () => detail().getByLabel("Format");

test("JSON is shown a part a line, and stored as it was: numbers of any length, and no spaces", async () => {
  await suite.other.type(`SET j '{"id":12345678901234567890,"list":[1.0,{}],"text":"a, b: {"}'`);
  await keys("/0/j");
  await expect.poll(() => value().inputValue()).toBe('{\n  "id": 12345678901234567890,\n  "list": [\n    1.0,\n    {}\n  ],\n  "text": "a, b: {"\n}');
  await value().fill((await value().inputValue()).replace("1.0", "2.50"));
  await press("Save");
  await suite.page.getByText("Changed j.").waitFor();
  expect(await suite.other.type("GET j")).toBe(JSON.stringify('{"id":12345678901234567890,"list":[2.50,{}],"text":"a, b: {"}'));
  await value().fill("{");
  await press("Save");
  await expect.poll(() => suite.page.locator(".keys > [role=alert]").innerText()).toContain("JSON");
  expect(await value().inputValue()).toBe("{");
  await press("Revert");
  await format().selectOption("text");
  await expect.poll(() => value().inputValue()).toBe('{"id":12345678901234567890,"list":[2.50,{}],"text":"a, b: {"}');
});

test("bytes are shown in hexadecimal and in bits, and a bit is set", async () => {
  await suite.other.type('SET b "\\x00A\\xff\\nxyz0123456789ABCDEF"');
  await keys("/0/b");
  await expect.poll(() => value().inputValue()).toBe('"\\x00A\\xff\\nxyz0123456789ABCDEF"');
  await format().selectOption("hex");
  const dump = () => detail().locator(".dump").innerText();
  await expect.poll(dump).toBe("00000000  00 41 ff 0a 78 79 7a 30 31 32 33 34 35 36 37 38  |.A..xyz012345678|\n00000010  39 41 42 43 44 45 46                             |9ABCDEF|");
  await format().selectOption("bits");
  await expect.poll(dump).toContain("        0  00000000 01000001 11111111 00001010\n");
  await press("Set a bit");
  await fill({ Offset: "7", Bit: "1" }, "Set");
  await done();
  await expect.poll(dump).toContain("        0  00000001 01000001");
  expect(await suite.other.type("GETBIT b 7")).toBe("(integer) 1");
  await press("Undo");
  await expect.poll(dump).toContain("        0  00000000 01000001");
});

test("a value of 10 MB is walked in parts, saved as a file, and replaced by one", async () => {
  await suite.other.type("SETRANGE big 10485759 z");
  await suite.other.type("SETRANGE big 0 begin");
  await keys("/0/big");
  // What is no text is shown as bytes.
  await detail().getByText("Bytes 0 to 4,096 of 10.0 MB").waitFor();
  await format().selectOption("text");
  await detail().getByText("Bytes 0 to 65,536 of 10.0 MB").waitFor();
  await format().selectOption("hex");
  await press("Next");
  await detail().getByText("Bytes 4,096 to 8,192 of 10.0 MB").waitFor();
  await press("Last");
  await expect.poll(() => detail().locator(".dump").innerText()).toMatch(/00 7a {2}\|\.{15}z\|$/);
  const [file] = await Promise.all([suite.page.waitForEvent("download"), press("Save as a file")]);
  expect(file.suggestedFilename()).toBe("big");
  const saved = await readFile(await file.path());
  expect([saved.length, saved.subarray(0, 5).toString(), saved.at(-1)]).toEqual([10 * 1024 * 1024, "begin", 122]);
  const [chooser] = await Promise.all([suite.page.waitForEvent("filechooser"), press("Replace by a file")]);
  await chooser.setFiles({ name: "new.bin", mimeType: "", buffer: Buffer.from([0, 1, 255]) });
  await suite.page.getByText("Replaced big by new.bin.").waitFor();
  expect(await suite.other.type("GET big")).toBe('"\\x00\\x01\\xff"');
  await press("Undo");
  await detail().getByText("10,485,760 bytes").waitFor();
});

test("a long text is shown in parts, of whole letters", async () => {
  await suite.other.type(`SET text ${"üöä€".repeat(10_000)}`);
  await keys("/0/text");
  await detail().getByText("Bytes 0 to 65,536 of 87.9 KB").waitFor();
  const dump = () => detail().locator(".dump").innerText();
  expect(await dump()).toMatch(/^(üöä€)+ü?ö?ä?$/);
  await press("Next");
  await detail().getByText("Bytes 65,536 to 90,000 of 87.9 KB").waitFor();
  expect(await dump()).toMatch(/^ö?ä?€?(üöä€)+$/);
});

test("a HyperLogLog says what it is, and looking at it does not change it", async () => {
  await suite.other.type("PFADD visitors a b c");
  const before = await suite.other.type("GET visitors");
  await keys("/0/visitors");
  await detail().getByText("it has seen about 3 different elements").waitFor();
  expect(await format().inputValue()).toBe("hex");
  expect(await suite.other.type("GET visitors")).toBe(before);
  await press("Add elements");
  await fill({ Elements: 'c d "e f"' }, "Add");
  await done();
  await detail().getByText("it has seen about 5 different elements").waitFor();
});

test("positions are shown as such, and are edited; scores in both orders", async () => {
  await suite.other.type("GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
  await keys("/0/places");
  await expect.poll(cells).toEqual([["Palermo", "13.361389", "38.115556"], ["Catania", "15.087267", "37.502668"]]);
  await press("Edit Palermo");
  await fill({ Longitude: "200" }, "Save");
  await dialog().getByText("invalid longitude,latitude pair").waitFor();
  await fill({ Longitude: "14.5" }, "Save");
  await done();
  await expect.poll(async () => (await cells()).find(([name]) => name === "Palermo")?.[1]).toBe("14.499998");
  await press("Add member");
  await fill({ Member: "Rome", Longitude: "12.5", Latitude: "41.9" }, "Add");
  await done();
  await expect.poll(() => cells().then((all) => all.length)).toBe(3);
  await detail().getByLabel("Order").selectOption("desc");
  await expect.poll(() => cells().then((all) => all.map(([rank]) => rank))).toEqual(["0", "1", "2"]);
  await suite.other.type("ZADD board 1 low 3 high");
  await suite.page.goto(`${suite.url}#/keys/0/board`);
  await expect.poll(cells).toEqual([["0", "1", "low"], ["1", "3", "high"]]);
  await detail().getByLabel("Order").selectOption("desc");
  await expect.poll(cells).toEqual([["0", "3", "high"], ["1", "1", "low"]]);
});

test("groups of a stream are made, read for, acknowledged, moved and removed, and each is undone", async () => {
  await suite.other.type("XADD s 1-1 f v");
  await suite.other.type("XADD s 2-1 f w");
  await keys("/0/s");
  await detail().getByText("It has no consumer groups.").waitFor();
  await press("Add group");
  await fill({ Name: "workers", "Delivers what is after": "0" }, "Add");
  await done();
  const group = () => detail().getByRole("table", { name: "Consumer groups" }).locator("tbody tr").evaluateAll((rows) => rows.map((one) => Array.from(one.querySelectorAll("td:not(.actions)"), (cell) => cell.textContent)));
  await expect.poll(group).toEqual([["workers", "0", "0", "0-0", "2"]]);
  await suite.other.type("XREADGROUP GROUP workers alice COUNT 2 STREAMS s >");
  await expect.poll(group).toEqual([["workers", "1", "2", "2-1", "0"]]);
  await press("Pending entries of workers");
  await detail().getByText("Consumers of workers, with what they have pending: alice (2).").waitFor();
  await press("Acknowledge 1-1");
  await expect.poll(group).toEqual([["workers", "1", "1", "2-1", "0"]]);
  await press("Claim 2-1");
  await fill({ "For the consumer": "bob" }, "Claim");
  await done();
  await detail().getByText("alice (0), bob (1)").waitFor();
  await press("Set the position of workers");
  await fill({ "Delivers what is after": "0" }, "Set");
  await done();
  await expect.poll(group).toEqual([["workers", "2", "1", "0-0", expect.any(String)]]);
  await press("Remove group workers");
  await detail().getByText("It has no consumer groups.").waitFor();
  await press("Undo");
  await expect.poll(group).toEqual([["workers", "2", "1", "0-0", expect.any(String)]]);
  await detail().getByLabel("Order").selectOption("desc");
  await expect.poll(() => cells().then((all) => all.map(([id]) => id))).toEqual(["2-1", "1-1"]);
  expect(await violations(suite.page)).toEqual([]);
});

test("100,000 fields are paged and searched, with few rows in the document", { timeout: 120_000 }, async () => {
  const filling = await suite.open();
  for (let from = 0; from < 100_000; from += 10_000) {
    await filling.type(`HSET hash ${Array.from({ length: 10_000 }, (_, index) => `f${from + index} v${from + index}`).join(" ")}`);
  }
  await filling.page.close();
  await keys("/0/hash");
  await detail().getByText("100,000 fields").waitFor();
  expect((await cells()).length).toBeLessThan(250);
  await detail().getByRole("button", { name: "Next", exact: true }).click();
  await expect.poll(() => detail().locator(".bar .count").last().innerText()).not.toMatch(/^1 to/);
  await detail().getByLabel("Fields that match").fill("f9999?");
  await expect.poll(async () => (await cells()).map(([name]) => name).sort()).toEqual(Array.from({ length: 10 }, (_, index) => `f9999${index}`));
  await press("Edit f99991");
  await fill({ Value: "other" }, "Save");
  await done();
  await expect.poll(() => suite.other.type("HGET hash f99991")).toBe('"other"');
  await press("Undo");
  await expect.poll(() => suite.other.type("HGET hash f99991")).toBe('"v99991"');
  await detail().getByLabel("Fields that match").fill("nothing like it");
  await detail().getByText("Nothing matches.").waitFor();
});

test("elements that are long, binary or JSON are viewed in full", async () => {
  await suite.other.type(`HSET h json '{"a":[1]}' plain x binary "\\x01\\xff"`);
  await suite.other.type(`HSET h long ${"x".repeat(2000)}`);
  await keys("/0/h");
  await expect.poll(() => cells().then((all) => all.length)).toBe(4);
  expect(await suite.page.getByRole("button", { name: "View plain" }).count()).toBe(0);
  await press("View json");
  await dialog().getByText('"a": [').waitFor();
  await press("Close");
  await expect.poll(() => suite.page.evaluate(() => document.activeElement?.textContent)).toBe("View");
  await press("View binary");
  await dialog().getByText("00000000  01 ff").waitFor();
  await press("Close");
  await press("View long");
  expect((await dialog().locator(".dump").innerText()).length).toBe(2000);
});

test("a key is copied, to another database too, and what others do is marked in words", async () => {
  await suite.other.type("RPUSH list a");
  await suite.other.type("SET gone x");
  await keys("/0/list");
  await expect.poll(cells).toEqual([["0", "a"]]);
  await press("Copy");
  await fill({ "Name of the copy": "list" }, "Copy");
  await dialog().getByText("needs another name").waitFor();
  await fill({ Database: "2" }, "Copy");
  await done();
  await expect.poll(() => suite.page.url()).toContain("#/keys/2/list");
  await suite.page.getByLabel("Database").locator("option", { hasText: "Database 2 (1)" }).waitFor({ state: "attached" });
  await suite.page.goto(`${suite.url}#/keys/0/list`);
  await expect.poll(cells).toEqual([["0", "a"]]);
  await suite.page.locator('[data-id="key gone"]').waitFor();
  await suite.other.type("RPUSH list b");
  await detail().locator("tr", { hasText: "b" }).getByText("new", { exact: true }).waitFor();
  await suite.page.locator('[data-id="key list"] .mark', { hasText: "changed" }).waitFor();
  await suite.other.type("SET fresh 1");
  await suite.page.locator('[data-id="key fresh"] .mark', { hasText: "new" }).waitFor();
  await suite.other.type("PEXPIRE gone 4000");
  await suite.page.locator('[data-id="key gone"] .left').waitFor();
  const latest = suite.page.getByRole("log", { name: "Latest changes" });
  await latest.getByText("gone has expired").waitFor();
  await suite.other.type("DEL fresh");
  await latest.getByText("fresh was deleted").waitFor();
  // After a while, they are not new any more.
  await expect.poll(() => suite.page.locator('[data-id="key list"] .mark').count(), { timeout: 15_000 }).toBe(0);
});

test("what is done to a part of a large key is undone by that part", { timeout: 120_000 }, async () => {
  const many = (words: (index: number) => string) => Array.from({ length: 10_000 }, (_, index) => words(index)).join(" ");
  // A terminal that shows all that is slow from then on.
  const filling = await suite.open();
  await filling.type(`RPUSH list ${many((index) => `${"x".repeat(30)}${index}`)}`);
  await filling.type(`SADD set ${many((index) => `${"x".repeat(30)}${index}`)}`);
  await filling.type(`ZADD zset ${many((index) => `${index} ${"x".repeat(30)}${index}`)}`);
  await filling.type(`HSET hash ${many((index) => `f${index} ${"x".repeat(30)}`)}`);
  await filling.type("HPEXPIREAT hash 4000000000000 FIELDS 1 f9999");
  await filling.page.close();
  const looks: Readonly<Record<string, string[]>> = {
    list: ["LINDEX list 0", "LINDEX list 1", "LINDEX list -1", "LLEN list"],
    set: ["SCARD set", "SISMEMBER set other"],
    zset: ["ZCARD zset", `ZSCORE zset ${"x".repeat(30)}0`],
    hash: ["HLEN hash", "HGET hash f9999", "HPEXPIRETIME hash FIELDS 1 f9999"],
  };
  const digest = async (key: string): Promise<string[]> => {
    const all: string[] = [];
    for (const command of looks[key]!) all.push(await suite.other.type(command));
    return all;
  };
  let before: string[] = [];
  let key = "";
  const see = async (name: string): Promise<void> => {
    key = name;
    before = await digest(key);
    await keys(`/0/${key}`);
  };
  await see("list");
  const undone = async (what: string): Promise<void> => {
    await suite.page.locator(".changes").getByText(what, { exact: false }).waitFor();
    expect(await digest(key)).not.toEqual(before);
    await press("Undo");
    await suite.page.locator(".changes").getByText("Undone:").waitFor();
    expect(await digest(key)).toEqual(before);
  };
  await press("Edit 0");
  await fill({ Value: "other" }, "Save");
  await undone("Changed element 0.");
  await press("Remove 0");
  await undone("Removed element 0.");
  await press("Add element");
  await fill({ Value: "first", Where: "LPUSH" }, "Add");
  await undone("Added element.");
  await press("Add element");
  await fill({ Value: "last" }, "Add");
  await undone("Added element.");

  await see("set");
  await press("Add member");
  await fill({ Member: "other" }, "Add");
  await undone("Added member.");
  await detail().getByRole("button", { name: /^Edit x/ }).first().click();
  await fill({ Member: "other" }, "Save");
  await undone("Changed member");

  await see("zset");
  await press(`Edit ${"x".repeat(30)}0`);
  await fill({ Score: "-5.5" }, "Save");
  await undone("Changed member");
  await press(`Remove ${"x".repeat(30)}0`);
  await undone("Removed member");

  await see("hash");
  await detail().getByLabel("Fields that match").fill("f9999");
  await press("Edit f9999");
  await fill({ Value: "other" }, "Save");
  await undone("Changed field f9999.");
  await press("Remove f9999");
  await undone("Removed field f9999.");
  // Somebody else comes between.
  await press("Remove f9999");
  await suite.page.getByText("Removed field f9999.", { exact: true }).waitFor();
  await suite.other.type("HSET hash f9999 theirs");
  await press("Undo");
  await suite.page.getByText("Somebody else has changed the key in between.").waitFor();
  expect(await suite.other.type("HGET hash f9999")).toBe('"theirs"');
});

test("a form that another tab's change has overtaken says so, and changes nothing", async () => {
  await suite.other.type("HSET h f v");
  await keys("/0/h");
  await press("Edit f");
  await suite.other.type("HSET h f theirs");
  await fill({ Value: "mine" }, "Save");
  await dialog().getByText("Somebody else has changed the key in between.").waitFor();
  await press("Cancel", dialog());
  expect(await suite.other.type("HGET h f")).toBe('"theirs"');
  await expect.poll(cells).toEqual([["f", "theirs", ""]]);
});
