// A service worker that answers the requests of its pages in the REST protocol of Upstash.
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { end, launch, PKG, type Profile } from "./browser.js";
import { serveFolder } from "./serving.js";

const WORKER = `
  import { open } from "lodis";
  import { rest } from "lodis/rest";
  const answer = rest(() => open("behind", { appendfsync: "always" }), { token: "secret", path: "/redis" });
  addEventListener("install", () => skipWaiting());
  addEventListener("activate", (event) => event.waitUntil(clients.claim()));
  addEventListener("fetch", (event) => {
    if (new URL(event.request.url).pathname.startsWith("/redis")) event.respondWith(answer(event.request));
  });`;

const SCRIPT = `
  import { Redis } from "@upstash/redis";
  const { serviceWorker } = navigator;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  await serviceWorker.register("/sw.js", { type: "module" });
  if (!serviceWorker.controller) await controlled;
  globalThis.redis = new Redis({ url: location.origin + "/redis", token: "secret", enableTelemetry: false });
  globalThis.heard = [];
  document.body.append("ready");`;

const PAGE = `<!doctype html><title>app</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`;

/** One file, as a service worker has to be. */
async function bundled(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: "js" },
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["browser"],
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]!.text;
}

let server: Awaited<ReturnType<typeof serveFolder>>;
let profile: Profile;

beforeAll(async () => {
  const [worker, script] = await Promise.all([bundled(WORKER), bundled(SCRIPT)]);
  server = await serveFolder(PKG, { "/sw.js": worker, "/page.js": script, "/app": PAGE });
  profile = await launch();
});
afterAll(async () => {
  await end(profile);
  await server.close();
  expect(profile.problems).toEqual([]);
});

async function visit(): Promise<Page> {
  const page = await profile.context.newPage();
  await page.goto(`${server.url}app`);
  await page.getByText("ready").waitFor();
  return page;
}

/** Runs code of the page, in which `redis` is the unmodified client. */
const run = (page: Page, code: string): Promise<any> => page.evaluate(`(async () => { ${code} })()`);

test("pages use it with @upstash/redis", async () => {
  const [ann, bob] = [await visit(), await visit()];
  expect(
    await run(
      ann,
      `return [
        await redis.set("user", { name: "ann", tags: ["ü"] }, { ex: 100 }),
        await redis.get("user"),
        await redis.pipeline().incr("n").hset("h", { a: 1 }).hgetall("h").exec(),
        await redis.multi().incr("n").get("n").exec(),
        await redis.lpush("user", 1).catch((error) => error.message.includes("WRONGTYPE")),
      ];`,
    ),
  ).toEqual(["OK", { name: "ann", tags: ["ü"] }, [1, 1, { a: 1 }], [2, 2], true]);
  await run(bob, `redis.subscribe(["chat"]).on("message", ({ message }) => heard.push(message));`);
  await expect.poll(() => run(ann, `return redis.publish("chat", { text: "hello" })`)).toBe(1);
  await expect.poll(() => run(bob, "return heard")).toEqual([{ text: "hello" }]);
  const waiting = run(bob, `return fetch("/redis/blpop/queue/0?_token=secret").then((response) => response.json());`);
  await expect.poll(() => run(ann, `return redis.rpush("queue", "job")`)).toBe(1);
  expect(await waiting).toEqual({ result: ["queue", "job"] });
  await ann.close();
  await bob.close();
});

test("what it has stored is there when it is started again", async () => {
  const page = await visit();
  expect(await run(page, `return redis.set("kept", "v")`)).toBe("OK");
  const session = await profile.context.newCDPSession(page);
  await session.send("ServiceWorker.enable");
  await session.send("ServiceWorker.stopAllWorkers");
  expect(await run(page, `return redis.get("kept")`)).toBe("v");
  await page.close();
});
