// The key browser of the playground, through its interface.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { Playground } from "./browser.js";
import { keysSuite } from "./keys-suite.js";

const suite = keysSuite();
const { keys, row, detail, dialog, press, fill, done, cells } = suite;

test("keys are a tree by colons, walked by keyboard, with what they are", async () => {
  await suite.other.type("MSET user:1:name Eve user:1:age 30 user:2:name Bob plain x");
  await suite.other.type("EXPIRE user:1:name 1000");
  await keys();
  await suite.page.getByText("4 keys", { exact: true }).waitFor();
  await expect.poll(() => suite.page.getByRole("treeitem").allInnerTexts().then((all) => all.map((one) => one.replace(/\s+/g, " ")))).toEqual(["▸ user: 3", expect.stringMatching(/^plain \d+ B string$/)]);
  await row("user:").focus();
  for (const key of ["ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown"]) await suite.page.keyboard.press(key);
  const focused = suite.page.locator("[role=treeitem]:focus");
  await expect.poll(() => focused.innerText()).toContain("name");
  expect(await focused.getAttribute("aria-level")).toBe("3");
  await expect.poll(() => focused.innerText()).toMatch(/16:\d\d min/);
  const before = await focused.locator(".left").innerText();
  await expect.poll(() => focused.locator(".left").innerText()).not.toBe(before);
  await suite.page.keyboard.press("Enter");
  await detail().getByRole("heading", { name: "user:1:name" }).waitFor();
  expect(await detail().locator(".facts").innerText()).toMatch(/embstr/);
  await suite.page.keyboard.press("ArrowLeft");
  await suite.page.keyboard.press("ArrowLeft");
  await expect.poll(() => suite.page.getByRole("treeitem").count()).toBe(4);
});

test("strings are edited, binary ones in quotes, and what was done is undone", async () => {
  await suite.other.type('SET text "one\\ntwo" EX 1000');
  await suite.other.type('SET binary "\\x00\\xff"');
  await keys("/0/text");
  const value = detail().getByLabel("Value");
  await expect.poll(() => value.inputValue()).toBe("one\ntwo");
  await value.fill("three");
  await press("Save");
  await suite.page.getByText("Changed text.").waitFor();
  expect(await suite.other.type("GET text")).toBe('"three"');
  expect(await suite.other.type("TTL text")).not.toBe("(integer) -1");
  await press("Undo");
  await suite.page.getByText("Undone: Changed text.").waitFor();
  expect(await suite.other.type("GET text")).toBe('"one\\ntwo"');

  await suite.page.goto(`${suite.url}#/keys/0/binary`);
  await expect.poll(() => value.inputValue()).toBe('"\\x00\\xff"');
  await value.fill('"\\x01');
  await press("Save");
  await suite.page.getByText("has to end with").waitFor();
  expect(await suite.other.type("GET binary")).toBe('"\\x00\\xff"');
  await value.fill('"\\x01\\xfe"');
  await press("Save");
  await suite.page.getByText("Changed binary.").waitFor();
  expect(await suite.other.type("GET binary")).toBe('"\\x01\\xfe"');
});

test("lists, hashes, sets, sorted sets and streams are viewed and edited", async () => {
  await suite.other.type("RPUSH list a b c");
  await keys("/0/list");
  await expect.poll(cells).toEqual([["0", "a"], ["1", "b"], ["2", "c"]]);
  await press("Edit 1");
  await fill({ Value: "B" }, "Save");
  await done();
  await press("Remove 0");
  await expect.poll(cells).toEqual([["0", "B"], ["1", "c"]]);
  await press("Add element");
  await fill({ Value: "first", Where: "LPUSH" }, "Add");
  await expect.poll(cells).toEqual([["0", "first"], ["1", "B"], ["2", "c"]]);
  for (const _ of [1, 2, 3]) await press("Undo");
  await expect.poll(cells).toEqual([["0", "a"], ["1", "b"], ["2", "c"]]);

  await suite.other.type("HSET hash name Eve age 30");
  await suite.page.goto(`${suite.url}#/keys/0/hash`);
  await expect.poll(cells).toEqual([["name", "Eve", ""], ["age", "30", ""]]);
  await press("Edit age");
  await fill({ Value: "31", "Time to live of the field, in seconds": "1000" }, "Save");
  await expect.poll(cells).toEqual([["name", "Eve", ""], ["age", "31", expect.stringMatching(/^16:\d\d min$/)]]);
  await press("Add field");
  await fill({ Field: "town", Value: "Bonn", "Time to live of the field, in seconds": "soon" }, "Add");
  await dialog().getByText("a number of seconds").waitFor();
  await fill({ "Time to live of the field, in seconds": "" }, "Add");
  await press("Remove name");
  await expect.poll(() => cells().then((all) => all.map(([name]) => name))).toEqual(["age", "town"]);

  await suite.other.type("SADD set one");
  await suite.page.goto(`${suite.url}#/keys/0/set`);
  await press("Add member");
  await fill({ Member: '"\\xff"' }, "Add");
  await expect.poll(cells).toEqual([["one"], ['"\\xff"']]);
  await press("Edit one");
  await fill({ Member: "two" }, "Save");
  await expect.poll(async () => (await suite.other.type("SISMEMBER set two")) + (await suite.other.type("SISMEMBER set one"))).toBe("(integer) 1(integer) 0");

  await suite.other.type("ZADD zset 1 low 2.5 high");
  await suite.page.goto(`${suite.url}#/keys/0/zset`);
  await expect.poll(cells).toEqual([["0", "1", "low"], ["1", "2.5", "high"]]);
  await press("Edit low");
  await fill({ Score: "much" }, "Save");
  await dialog().getByText("not a valid float").waitFor();
  await fill({ Score: "inf" }, "Save");
  await expect.poll(cells).toEqual([["0", "2.5", "high"], ["1", "inf", "low"]]);
  await press("Remove high");
  await expect.poll(cells).toEqual([["0", "inf", "low"]]);

  await suite.other.type("XADD stream 1-1 name Eve");
  await suite.other.type("XGROUP CREATE stream workers 0");
  await suite.page.goto(`${suite.url}#/keys/0/stream`);
  await expect.poll(cells).toEqual([["1-1", "name: Eve"]]);
  expect(await detail().locator("table").nth(1).innerText()).toMatch(/workers\s+0\s+0\s+0-0\s+1/);
  await press("Add entry");
  await fill({ "Fields and values": 'name "Bob Moss" age 3', ID: "2-0" }, "Add");
  await expect.poll(cells).toEqual([["1-1", "name: Eve"], ["2-0", "name: Bob Moss, age: 3"]]);
  await press("Remove 1-1");
  await expect.poll(cells).toEqual([["2-0", "name: Bob Moss, age: 3"]]);
});

test("a long collection is shown in pages", async () => {
  await suite.other.type(`RPUSH list ${Array.from({ length: 250 }, (_, index) => index).join(" ")}`);
  await keys("/0/list");
  await detail().getByText("1 to 50 of 250").waitFor();
  for (const from of [51, 101, 151]) {
    await press("Next");
    await detail().getByText(`${from} to ${from + 49} of 250`).waitFor();
  }
  await press("Next");
  await detail().getByText("201 to 250 of 250").waitFor();
  expect((await cells())[0]).toEqual(["200", "200"]);
  await press("Previous");
  await detail().getByText("151 to 200 of 250").waitFor();
  await press("First");
  await detail().getByText("1 to 50 of 250").waitFor();
});

test("keys are made, renamed, given a time to live, and deleted, and each is undone", async () => {
  await keys();
  for (const [type, values] of [["hash", { Field: "f", Value: "v" }], ["string", { Value: "x" }]] as const) {
    await press("New key");
    await fill({ Type: type }, "Next");
    await dialog().getByRole("heading", { name: `New ${type}` }).waitFor();
    await fill({ Key: `new:${type}`, ...values, "Time to live of the key, in seconds": "500" }, "Create");
    await done();
    await detail().getByRole("heading", { name: `new:${type}` }).waitFor();
    expect(await suite.other.type(`TYPE new:${type}`)).toBe(type);
  }
  await press("New key");
  await fill({ Type: "set" }, "Next");
  await dialog().getByRole("heading", { name: "New set" }).waitFor();
  await fill({ Key: "new:hash", Member: "m" }, "Create");
  await dialog().getByText("There is a key new:hash already.").waitFor();
  await press("Cancel", dialog());

  await press("Keep for good");
  await expect.poll(() => suite.other.type("TTL new:string")).toBe("(integer) -1");
  await press("Set TTL");
  await fill({ Seconds: "100" }, "Set");
  await done();
  expect(await suite.other.type("TTL new:string")).toMatch(/^\(integer\) (100|99|98)$/);
  await press("Rename");
  await fill({ "New name": "new:hash" }, "Rename");
  await dialog().getByText("There is a key new:hash already.").waitFor();
  await fill({ "New name": "other" }, "Rename");
  await done();
  await detail().getByRole("heading", { name: "other" }).waitFor();
  expect(await suite.other.type("EXISTS new:string other")).toBe("(integer) 1");
  await press("Delete key");
  await suite.page.getByText("Deleted other.").waitFor();
  expect(await suite.other.type("EXISTS other")).toBe("(integer) 0");
  await press("Undo");
  await expect.poll(() => suite.other.type("GET other")).toBe('"x"');
  expect(await suite.other.type("TTL other")).not.toBe("(integer) -1");
});

test("a folder is deleted after a question, with what the search does not show, and comes back", async () => {
  await suite.other.type("MSET a:1 x a:2 y ab:3 z");
  await suite.other.type("HSET a:h f v");
  await keys();
  await row("a:").focus();
  await suite.page.keyboard.press("Delete");
  await dialog().getByText("Delete all that begins with a:?").waitFor();
  await press("Cancel", dialog());
  expect(await suite.other.type("DBSIZE")).toBe("(integer) 4");
  await row("a:").focus();
  await suite.page.keyboard.press("Delete");
  await press("Delete 3 keys", dialog());
  await done();
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  expect(await suite.other.type("DBSIZE")).toBe("(integer) 1");
  await press("Undo");
  await suite.page.getByText("4 keys", { exact: true }).waitFor();
  expect(await suite.other.type("HGET a:h f")).toBe('"v"');
});

test("the search takes patterns and types, and databases are apart", async () => {
  await suite.other.type("MSET user:1 a user:2 b page:1 c");
  await suite.other.type("SADD user:set m");
  await keys();
  await suite.page.getByText("4 keys", { exact: true }).waitFor();
  await suite.page.getByLabel("Pattern").fill("user:[1s]*");
  await suite.page.keyboard.press("Enter");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await suite.page.getByLabel("Type", { exact: true }).selectOption("set");
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  await suite.other.type("SADD user:so m");
  await suite.page.getByText("2 keys", { exact: true }).waitFor();
  await suite.page.getByLabel("Pattern").fill("nothing*");
  await press("Search");
  await suite.page.getByText("0 keys", { exact: true }).waitFor();
  await suite.page.getByLabel("Pattern").fill("");
  await suite.page.getByLabel("Type", { exact: true }).selectOption("");
  await press("Search");
  await suite.page.getByText("5 keys", { exact: true }).waitFor();
  await suite.other.type("SELECT 3");
  await suite.other.type("SET third x");
  await suite.other.type("SELECT 0");
  await suite.page.getByLabel("Database").selectOption("3");
  await row("third").click();
  await detail().getByRole("heading", { name: "third" }).waitFor();
  expect(suite.page.url()).toContain("#/keys/3/third");
});

test("what other tabs change is shown as it happens, and what is being typed stays", async () => {
  await suite.other.type("SET k one");
  await keys("/0/k");
  const value = detail().getByLabel("Value");
  await expect.poll(() => value.inputValue()).toBe("one");
  await suite.other.type("SET k two");
  await expect.poll(() => value.inputValue()).toBe("two");
  await value.fill("mine");
  await suite.other.type("SET k three");
  await suite.page.getByText("has changed since you began").waitFor();
  expect(await value.inputValue()).toBe("mine");
  await press("Revert");
  await expect.poll(() => value.inputValue()).toBe("three");
  await suite.other.type("RPUSH l 1");
  await row("l").and(suite.page.locator('[data-id="key l"]')).click();
  await expect.poll(cells).toEqual([["0", "1"]]);
  await suite.other.type("RPUSH l 2");
  await expect.poll(cells).toEqual([["0", "1"], ["1", "2"]]);
  await suite.other.type("PEXPIRE l 1");
  await suite.page.getByText("There is no such key now.").waitFor();
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  await suite.other.type("FLUSHALL");
  await suite.page.getByText("0 keys", { exact: true }).waitFor();
});

test("several keys are selected by pointer and keyboard, deleted together, and come back as they were", async () => {
  await suite.other.type("MSET a:1 x a:2 y b z c w");
  await suite.other.type("RPUSH a:list 1 2 3");
  await suite.other.type("EXPIRE b 1000");
  await suite.other.type(`HSET hash f ${"long ".repeat(20).replaceAll(" ", "_")}`);
  await keys();
  await suite.page.getByText("6 keys", { exact: true }).waitFor();
  await press("Select");
  await row("a:").click();
  await suite.page.getByText("3 selected", { exact: true }).waitFor();
  expect(await row("a:").getAttribute("aria-checked")).toBe("true");
  await row("b").and(suite.page.locator('[data-id="key b"]')).press("Space");
  await suite.page.getByText("4 selected", { exact: true }).waitFor();
  await suite.page.keyboard.press("ArrowDown");
  await suite.page.keyboard.press("Shift+ArrowDown");
  await suite.page.getByText("6 selected", { exact: true }).waitFor();
  await suite.page.locator('[data-id="key c"]').click();
  await suite.page.getByText("5 selected", { exact: true }).waitFor();
  await press("Delete selected keys");
  await dialog().getByText("You can undo this").waitFor();
  await press("Delete 5 keys", dialog());
  await done();
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  expect(await suite.other.type("KEYS *")).toBe('1) "c"');
  await press("Undo");
  await suite.page.getByText("6 keys", { exact: true }).waitFor();
  expect(await suite.other.type("OBJECT ENCODING hash")).toBe('"hashtable"');
  expect(await suite.other.type("TTL b")).toMatch(/^\(integer\) (9\d\d|1000)$/);
  expect(await suite.other.type("LRANGE a:list 0 -1")).toContain('"3"');
});

const EVERYTHING = [
  'SET text "ü" EX 1000', 'SET "binary\\xff" "\\x00\\xff"', "RPUSH list a b a", "HSET hash f v g w", "HPEXPIRE hash 1000000 FIELDS 1 f",
  "SADD set m n", "ZADD zset 1.5 m inf n", "XADD stream 1-1 f v", "XADD stream 2-1 g w",
];
const LOOKS = ["GET text", 'GET "binary\\xff"', "LRANGE list 0 -1", "HGET hash g", "SCARD set", "ZRANGE zset 0 -1 WITHSCORES", "XRANGE stream - +", "DBSIZE"];

test.each(["JSON", "RDB", "AOF"])("what is exported as %s is imported as it was", async (kind) => {
  for (const command of EVERYTHING) await suite.other.type(command);
  const before: string[] = [];
  for (const command of LOOKS) before.push(await suite.other.type(command));
  // Files of all databases are a matter of the tab that leads.
  const from = kind === "JSON" ? suite.page : suite.other.page;
  await from.bringToFront();
  await from.goto(`${suite.url}#/keys`);
  await from.getByText("7 keys", { exact: true }).waitFor();
  await from.getByRole("button", { name: "Export", exact: true }).click();
  await from.getByLabel("What").selectOption("everything");
  await from.getByLabel("As", { exact: true }).selectOption(kind.toLowerCase());
  const [file] = await Promise.all([from.waitForEvent("download"), from.getByRole("dialog").getByRole("button", { name: "Export" }).click()]);
  const path = await file.path();
  const name = file.suggestedFilename();
  await from.goto(`${suite.url}#/`);
  await suite.other.page.goto(`${suite.url}#/`);
  await suite.other.ready();
  await suite.other.type("FLUSHALL");
  await suite.other.type("SET text other");
  await from.goto(`${suite.url}#/keys`);
  await from.getByText("1 key", { exact: true }).waitFor();
  const bytes = [...(await readFile(path))];
  await from.locator(".keys").evaluate((place, { bytes, name }) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
    place.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, { bytes, name });
  await from.getByRole("dialog").getByText("7 keys can be read. Nothing has changed yet.").waitFor();
  await from.getByRole("dialog").getByRole("button", { name: "Import", exact: true }).click();
  await from.getByText("Imported 7 keys of").waitFor();
  await from.getByText("7 keys", { exact: true }).waitFor();
  await suite.other.page.goto(`${suite.url}#/`);
  for (const [index, command] of LOOKS.entries()) expect(await suite.other.type(command), command).toBe(before[index]);
  expect(await suite.other.type("TTL text")).toMatch(/^\(integer\) (1000|[89]\d\d)$/);
  expect(await suite.other.type("HTTL hash FIELDS 1 f")).toMatch(/^1\) \(integer\) (1000|[89]\d\d)$/);
});

test("files that are none are refused in words, and nothing changes", async () => {
  await suite.other.type("SET k v");
  await keys();
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  const give = (name: string, text: string): Promise<void> => suite.page.locator("input[type=file]").setInputFiles({ name, mimeType: "", buffer: Buffer.from(text) });
  for (const [text, words] of [
    ["{", "This is no JSON"],
    ["{}", "no export of keys"],
    ['{"format":"lodis-keys","version":2,"keys":[]}', "of version 2"],
    ['{"format":"lodis-keys","version":1,"keys":[{"key":"k","type":"list","ttl":null,"value":[1]}]}', "Key 1, element 1 is neither a text"],
    ['{"format":"lodis-keys","version":1,"keys":[{"key":"k","type":"tree","ttl":null,"value":"x"}]}', 'has the type "tree"'],
  ] as const) {
    await give("keys.json", text);
    await suite.page.getByRole("alert").getByText(words).waitFor();
  }
  expect(await suite.other.type("GET k")).toBe('"v"');
});

test("when the tab that leads goes, the next one's changes are shown as well", async () => {
  const leader = suite.other;
  await leader.type("SET k one");
  await keys("/0/k");
  const value = detail().getByLabel("Value", { exact: true });
  await expect.poll(() => value.inputValue()).toBe("one");
  const third = await suite.open();
  await suite.leave();
  expect(await third.type("SET k two")).toBe("OK");
  await expect.poll(() => value.inputValue()).toBe("two");
  expect(await third.type("SET new x")).toBe("OK");
  await row("new").waitFor();
  await value.fill("three");
  await press("Save");
  await suite.page.getByText("Changed k.").waitFor();
  expect(await third.type("GET k")).toBe('"three"');
});

test("dialogs hold the keyboard, and give it back", async () => {
  await suite.other.type("HSET h f v");
  await keys("/0/h");
  await detail().getByRole("button", { name: "Edit f" }).focus();
  await suite.page.keyboard.press("Enter");
  const focused = (): Promise<string | null> => suite.page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? null);
  await dialog().getByLabel("Value").waitFor();
  for (let press = 0; press < 8; press++) {
    await suite.page.keyboard.press("Tab");
    expect(await suite.page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null)).toBe(true);
  }
  // What is below is drawn anew meanwhile.
  await suite.other.type("HSET h g w");
  await expect.poll(() => cells().then((all) => all.length)).toBe(2);
  await suite.page.keyboard.press("Escape");
  await done();
  await expect.poll(focused).toBe("Edit f");
});

test("on a narrow page, a key takes the place of the list, and there is a way back", async () => {
  await suite.page.setViewportSize({ width: 390, height: 780 });
  await suite.other.type("SET k v");
  await keys();
  await row("k").click();
  await detail().getByRole("heading", { name: "k" }).waitFor();
  expect(await suite.page.getByRole("tree").isVisible()).toBe(false);
  expect(await suite.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  await suite.page.getByRole("link", { name: "All keys" }).click();
  await row("k").waitFor();
  expect(await detail().isVisible()).toBe(false);
});

test("in memory only, the terminal's session is shared, and left where it was", async () => {
  await suite.page.addInitScript("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })");
  await suite.page.goto(suite.url);
  const alone = new Playground(suite.page);
  await alone.ready();
  await alone.type("HSET hash a 1 b 2");
  await alone.type("SELECT 2");
  await suite.page.goto(`${suite.url}#/keys/0/hash`);
  await suite.page.getByText("1 key", { exact: true }).waitFor();
  await press("Remove a");
  await expect.poll(cells).toEqual([["b", "2", ""]]);
  const file = JSON.stringify({ format: "lodis-keys", version: 1, keys: [{ db: 5, key: "five", type: "string", value: "v" }] });
  await suite.page.locator("input[type=file]").setInputFiles({ name: "five.json", mimeType: "", buffer: Buffer.from(file) });
  await press("Import", dialog());
  await suite.page.getByText("Imported 1 key of five.json.").waitFor();
  await suite.page.getByLabel("Database").locator("option", { hasText: "Database 5 (1)" }).waitFor({ state: "attached" });
  await suite.page.goto(`${suite.url}#/`);
  expect(await alone.type("DBSIZE")).toBe("(integer) 0");
  expect(await alone.type("MULTI")).toBe("OK");
  await suite.page.goto(`${suite.url}#/keys`);
  await suite.page.getByText("between MULTI and EXEC").waitFor();
  await suite.page.goto(`${suite.url}#/`);
  expect(await alone.type("EXEC")).toBe("(empty array)");
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`no accessibility violations in the ${colorScheme} theme`, async () => {
    await suite.page.emulateMedia({ colorScheme });
    await suite.other.type("MSET user:1 a user:2 b");
    await suite.other.type("HSET hash f v");
    await keys("/0/hash");
    await row("user:").click();
    await expect.poll(cells).toEqual([["f", "v", ""]]);
    expect(await violations(suite.page)).toEqual([]);
    await press("Remove f");
    await suite.page.getByText("There is no such key now.").waitFor();
    expect(await violations(suite.page)).toEqual([]);
    await press("New key");
    expect(await violations(suite.page)).toEqual([]);
  });
}
