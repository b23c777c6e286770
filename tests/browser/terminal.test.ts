// The terminal by itself: over the memory store, where IndexedDB is missing.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { violations } from "./accessibility.js";
import { end, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;
let play: Playground;

beforeAll(async () => {
  server = await serveFolder(WWW);
  profile = await launch();
  await profile.context.addInitScript("Object.defineProperty(globalThis, 'indexedDB', { value: undefined })");
});
afterAll(async () => {
  await end(profile);
  await server.close();
});
beforeEach(async () => {
  play = await Playground.open(profile, server.url);
});
afterEach(async () => {
  await play.page.close();
  expect(profile.problems).toEqual([]);
});

const line = () => play.page.getByLabel("Command", { exact: true });

test("replies have redis-cli's notation", async () => {
  expect(await play.type('SET user:1:name "Eve" EX 100')).toBe("OK");
  expect(await play.type("GET user:1:name")).toBe('"Eve"');
  expect(await play.type("TTL user:1:name")).toMatch(/^\(integer\) (100|99)$/);
  expect(await play.type("GET nothing")).toBe("(nil)");
  expect(await play.type("INCR user:1:name")).toBe("(error) ERR value is not an integer or out of range");
  expect(await play.type("NOSUCH x")).toMatch(/^\(error\) ERR unknown command 'NOSUCH'/);
  expect(await play.type("MGET user:1:name nothing")).toBe('1) "Eve"\n2) (nil)');
  expect(await play.type("KEYS no*")).toBe("(empty array)");
  expect(await play.type("CONFIG GET appendonly")).toBe('1# "appendonly" => "no"');
  expect(await play.type("SCAN 0")).toBe('1) "0"\n2) 1) "user:1:name"');
});

test("the first script loads the module that runs it, and everything is as it was", async () => {
  const modules: string[] = [];
  play.page.on("request", (request) => {
    const file = /lodis_(full_)?bg/.exec(request.url());
    if (file) modules.push(file[0]);
  });
  await play.type("SET k v");
  await play.type("SELECT 2");
  await play.type("SET k two");
  await play.type("PSUBSCRIBE n*");
  expect(modules).toEqual([]);
  expect(await play.type(`EVAL "return redis.call('GET', KEYS[1])" 1 k`)).toBe('"two"');
  expect(modules).toEqual(["lodis_full_bg"]);
  expect(await play.type(`EVAL "return redis.call('PUBLISH', 'news', 'from Lua')" 0`)).toBe("(integer) 1");
  await expect.poll(async () => (await play.messages()).join()).toContain("from Lua");
  await play.type("SELECT 0");
  expect(await play.type("GET k")).toBe('"v"');
  expect(await play.type("SCRIPT LOAD 'return 1'")).toMatch(/^"[0-9a-f]{40}"$/);
});

test("nested maps have redis-cli's notation, and the end of a long reply is in sight", async () => {
  const lines = (await play.type("COMMAND INFO get")).split("\n");
  const at = lines.findIndex((line) => line.includes('"begin_search"'));
  expect(lines.slice(at, at + 3).map((line) => line.trimEnd())).toEqual([
    '          2# "begin_search" =>',
    '             1# "type" => "index"',
    '             2# "spec" => 1# "index" => (integer) 1',
  ]);
  await play.page.getByText("10) (empty set)").last().waitFor();
  await expect
    .poll(() => play.page.locator(".line").last().evaluate((line) => {
      const { bottom } = line.getBoundingClientRect();
      return bottom <= document.querySelector("form")!.getBoundingClientRect().top;
    }))
    .toBe(true);
});

test("quotes are redis-cli's, and values are never markup", async () => {
  expect(await play.type("SET k \"a\\n\\x00\\xff\\\"b\"")).toBe("OK");
  expect(await play.type("GET k")).toBe('"a\\n\\x00\\xff\\"b"');
  expect(await play.type("SET k 'it\\'s \\n'")).toBe("OK");
  expect(await play.type("GET k")).toBe('"it\'s \\\\n"');
  expect(await play.type("SET k '<img src=x onerror=alert(1)>'")).toBe("OK");
  expect(await play.type("GET k")).toBe('"<img src=x onerror=alert(1)>"');
  expect(await play.page.locator("#log img").count()).toBe(0);
  await line().fill('SET k "open');
  await line().press("Enter");
  await play.page.getByText("Invalid argument(s)").waitFor();
});

test("a transaction typed by hand, and the selected database, are one session", async () => {
  const prompt = play.page.locator("#prompt");
  expect(await play.type("MULTI")).toBe("OK");
  expect(await prompt.innerText()).toBe("lodis(TX)>");
  expect(await play.type("INCR n")).toBe("QUEUED");
  expect(await play.type("SELECT 2")).toBe("QUEUED");
  expect(await play.type("EXEC")).toBe("1) (integer) 1\n2) OK");
  expect(await prompt.innerText()).toBe("lodis[2]>");
  expect(await play.type("GET n")).toBe("(nil)");
  expect(await play.type("WATCH w")).toBe("OK");
  expect(await play.type("SET w 1")).toBe("OK");
  expect(await play.type("MULTI")).toBe("OK");
  expect(await play.type("GET w")).toBe("QUEUED");
  expect(await play.type("EXEC")).toBe("(nil)");
  expect(await prompt.innerText()).toBe("lodis[2]>");
});

test("a subscribed terminal still runs commands", async () => {
  expect(await play.type("SUBSCRIBE alerts")).toBe('1) "subscribe"\n2) "alerts"\n3) (integer) 1');
  expect(await play.type('PUBLISH alerts "hi"')).toBe("(integer) 1");
  await play.page.locator(".message").waitFor();
  expect(await play.messages()).toEqual(['1) "message"\n2) "alerts"\n3) "hi"']);
  expect(await play.type("UNSUBSCRIBE")).toBe('1) "unsubscribe"\n2) "alerts"\n3) (integer) 0');
  expect(await play.type("PUBLISH alerts again")).toBe("(integer) 0");
});

test("history, completion, hints, search and paste", async () => {
  await play.type("SET a 1");
  await play.type("INCR a");
  await play.page.reload();
  await play.ready();
  await line().press("ArrowUp");
  await line().press("ArrowUp");
  expect(await line().inputValue()).toBe("SET a 1");
  await line().fill("INC");
  await line().press("Control+r");
  expect(await line().inputValue()).toBe("INCR a");
  await line().fill("getra");
  await line().press("Tab");
  expect(await line().inputValue()).toBe("getrange");
  await line().fill("GETRANGE k ");
  expect(await play.page.locator("#ghost").textContent()).toBe("GETRANGE k start end");
  await line().fill("");
  await line().evaluate((input) => {
    const data = new DataTransfer();
    data.setData("text/plain", "SET p 1\r\nINCR p\nGET p");
    input.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
  });
  await play.page.getByText("(integer) 2").waitFor();
  expect(await line().inputValue()).toBe("GET p");
  await line().press("Control+c");
  expect(await line().inputValue()).toBe("");
  await line().fill("help setex");
  await line().press("Enter");
  await play.page.getByText("complexity:").waitFor();
  await line().press("Control+l");
  expect(await play.page.locator(".entry").count()).toBe(0);
});

test("a reply of 100,000 lines does not freeze the page", async () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `k${index}`).join(" ");
  const start = Date.now();
  await play.type(`MGET ${names}`);
  expect(await play.page.locator(".reply .line").count()).toBe(1000);
  await play.page.getByRole("button", { name: "Show more" }).click();
  expect(await play.page.locator(".reply .line").count()).toBe(2001);
  expect(Date.now() - start).toBeLessThan(10_000);
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`no accessibility violations in the ${colorScheme} theme`, async () => {
    await play.page.emulateMedia({ colorScheme });
    await play.type("SET a 1");
    await play.type("MGET a b");
    await play.type("NOSUCH");
    expect(await violations(play.page)).toEqual([]);
  });
}

test("without IndexedDB the page says that data is in memory only", async () => {
  expect(await play.status()).toBe("In memory only");
  await play.page.getByRole("alert").getByText("IndexedDB").waitFor();
});
