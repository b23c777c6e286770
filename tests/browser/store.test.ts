// The playground over IndexedDB: reloads, tabs, crashes, stores that cannot be used.
import { afterEach, beforeEach, expect, test } from "vitest";
import { end, killBrowser, launch, Playground, type Profile, WWW } from "./browser.js";
import { serveFolder } from "./serving.js";

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeEach(async () => {
  server = await serveFolder(WWW, { "/blank": '<!doctype html><title>blank</title><link rel="icon" href="data:,">' });
  profile = await launch();
});
afterEach(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

const open = () => Playground.open(profile, server.url);

test("after a reload the data is there and the TTL has gone on counting", async () => {
  const play = await open();
  expect(await play.type('SET user:1:name "Eve" EX 100')).toBe("OK");
  expect(await play.type("INCR page:home:count")).toBe("(integer) 1");
  expect(await play.type("MULTI")).toBe("OK");
  expect(await play.type("INCR page:home:count")).toBe("QUEUED");
  expect(await play.type("INCR page:home:count")).toBe("QUEUED");
  expect(await play.type("EXEC")).toBe("1) (integer) 2\n2) (integer) 3");
  expect(await play.type("CONFIG SET appendonly yes")).toBe("OK");
  await play.saved();
  await play.page.waitForTimeout(2_000);
  await play.page.reload();
  await play.ready();
  expect(await play.type("GET user:1:name")).toBe('"Eve"');
  expect(await play.type("GET page:home:count")).toBe('"3"');
  const ttl = Number(/\d+/.exec(await play.type("TTL user:1:name"))![0]);
  expect(ttl).toBeLessThanOrEqual(98);
  expect(ttl).toBeGreaterThan(80);
});

test("the first script loads the module that runs it, and the data stays", async () => {
  const play = await open();
  await play.type("SET k v");
  expect(await play.type(`EVAL "return redis.call('GET', KEYS[1])" 1 k`)).toBe('"v"');
  await play.page.getByText("Leader", { exact: true }).waitFor();
  expect(await play.type(`EVAL "return redis.call('SET', KEYS[1], ARGV[1])" 1 k w`)).toBe("OK");
  await play.saved();
  await play.page.reload();
  await play.ready();
  expect(await play.type("GET k")).toBe('"w"');
});

test("two tabs share data and messages, and the second takes over", async () => {
  const first = await open();
  const second = await open();
  await first.page.getByText("Leader", { exact: true }).waitFor();
  await second.page.getByText("Replica", { exact: true }).waitFor();
  expect(await second.type("SUBSCRIBE alerts")).toBe('1) "subscribe"\n2) "alerts"\n3) (integer) 1');
  expect(await first.type('PUBLISH alerts "Welcome, new user!"')).toBe("(integer) 1");
  await second.page.locator(".message").waitFor();
  expect(await second.messages()).toEqual(['1) "message"\n2) "alerts"\n3) "Welcome, new user!"']);
  expect(await second.type("SET from second")).toBe("OK");
  expect(await first.type("GET from")).toBe('"second"');
  await first.page.close();
  await second.page.getByText("Leader", { exact: true }).waitFor();
  expect(await second.type("GET from")).toBe('"second"');
  // The subscription has moved along.
  expect(await second.type("PUBLISH alerts again")).toBe("(integer) 1");
});

for (const fsync of ["always", "everysec"] as const) {
  test(`what was acknowledged under ${fsync} survives the kill of the browser`, async () => {
    let play = await open();
    expect(await play.type(`CONFIG SET appendfsync ${fsync}`)).toBe("OK");
    expect(await play.type("SET counter 0")).toBe("OK");
    let acknowledged = 0;
    for (; acknowledged < 20; acknowledged++) {
      await play.type("MULTI");
      await play.type("INCR a");
      await play.type("INCR b");
      expect(await play.type("EXEC")).toBe(`1) (integer) ${acknowledged + 1}\n2) (integer) ${acknowledged + 1}`);
    }
    if (fsync === "everysec") await play.saved();
    // More writes are under way when the browser dies.
    await play.page.evaluate(() => {
      const input = document.querySelector("input")!;
      for (let line = 0; line < 200; line++) {
        input.value = ["MULTI", "INCR a", "INCR b", "EXEC"][line % 4]!;
        input.form!.requestSubmit();
      }
    });
    profile = await killBrowser(profile);
    play = await open();
    const [a, b] = [await play.type("GET a"), await play.type("GET b")];
    expect(a).toBe(b);
    expect(Number(a.replaceAll('"', ""))).toBeGreaterThanOrEqual(acknowledged);
  });
}

test("a refused IndexedDB is told, and the page goes on in memory", async () => {
  await profile.context.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("The user denied permission", "SecurityError");
    };
  });
  const play = await open();
  await play.page.getByRole("alert").getByText("IndexedDB").waitFor();
  expect(await play.status()).toBe("In memory only");
  expect(await play.type("SET a 1")).toBe("OK");
});

test("a store of a newer version is refused and left as it is", async () => {
  const play = await open();
  await play.type("SET a 1");
  await play.saved();
  await play.page.goto(`${server.url}blank`);
  const before = await play.page.evaluate(changeVersion, 99);
  await play.page.goto(server.url);
  await play.page.getByRole("alert").getByText("newer version").waitFor();
  await play.page.goto(`${server.url}blank`);
  expect(await play.page.evaluate(changeVersion, undefined)).toEqual(before);
});

/** Writes a version into the manifest, if one is given; answers the manifest. */
async function changeVersion(version: number | undefined): Promise<number[]> {
  const asked = <T>(request: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const database = await asked(indexedDB.open("lodis:playground"));
  const meta = database.transaction("meta", "readwrite").objectStore("meta");
  const manifest: Uint8Array = await asked(meta.get("manifest"));
  if (version !== undefined) {
    new DataView(manifest.buffer, manifest.byteOffset).setUint32(4, version, true);
    await asked(meta.put(manifest, "manifest"));
  }
  database.close();
  return [...manifest];
}
