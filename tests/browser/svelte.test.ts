// The stores of lodis/svelte, in Svelte.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { isDone, pagesOf, remembers, rendered, shows, text } from "./following.js";

/** Each gets the instance, and passes it on. */
const given = (Inner: string) => `<script>
  import { provideLodis } from "lodis/svelte";
  import Inner from "./${Inner}.svelte";
  const { redis, count = 1 } = $props();
  provideLodis(redis);
</script>
{#each { length: count } as _}<Inner />{/each}`;

const COMPONENTS = {
  "Value.svelte": `<script>
    import { live } from "lodis/svelte";
    const value = live(["GET", "k"]);
    $effect.pre(() => {
      app.rendered.push(value.current);
    });
  </script>
  <b>{$value}</b><i>{value.current}</i>`,
  "Values.svelte": given("Value"),
  "Profile.svelte": `<script>
    import { live } from "lodis/svelte";
    const user = live(["HGETALL", "user:1"], { initial: { name: "…" } });
    const score = live(["GET", "score"]);
  </script>
  <p>{user.current.name ?? "nobody"} {String($score)}</p>`,
  "Profiles.svelte": given("Profile"),
  "User.svelte": `<script>
    import { live } from "lodis/svelte";
    const { redis } = $props();
    let id = $state(1);
    let isShown = $state(true);
    app.set = (value) => value === "hide" ? (isShown = false) : (id = value);
    const user = live(() => id === null ? null : ["GET", "user:" + id], { redis });
    $effect.pre(() => {
      if (isShown) app.rendered.push([id, user.current]);
    });
  </script>
  {#if isShown}<b>{user.current ?? "nobody"}</b>{:else}hidden{/if}`,
  "Length.svelte": `<script>
    import { live } from "lodis/svelte";
    const { redis } = $props();
    const length = live(["LLEN", "k"], { redis });
  </script>
  {length.current} {length.error?.message.split(" ")[0]}`,
  "Board.svelte": `<script>
    import { live } from "lodis/svelte";
    const board = live(["ZRANGE", "board", 0, 9]);
    app.rendered.push(board.current);
  </script>
  {$board?.join() ?? "waiting"}`,
  "Boards.svelte": given("Board"),
};

const NAMES = Object.keys(COMPONENTS).map((file) => file.replace(".svelte", ""));
const APP = `
  import * as svelte from "svelte";
  import * as inSvelte from "lodis/svelte";
  import * as lodis from "lodis";
  ${NAMES.map((name) => `import ${name} from "./${name}.svelte";`).join("\n")}
  globalThis.app = { svelte, inSvelte, lodis, components: { ${NAMES.join()} }, rendered: [] };`;
const HYDRATED = `
  import { hydrate } from "svelte";
  import { open } from "lodis";
  import Profiles from "./Profiles.svelte";
  globalThis.hydrate = async () => {
    const redis = await open("hydrated", { store: "memory" });
    redis.sync.hSet("user:1", { name: "Ada" });
    redis.sync.set("score", 1);
    globalThis.paragraph = document.querySelector("p");
    hydrate(Profiles, { target: document.getElementById("root"), props: { redis } });
    setTimeout(() => redis.set("score", 2), 50);
  };`;
const SERVER = `
  import { render } from "svelte/server";
  import Profiles from "./Profiles.svelte";
  export const html = Promise.resolve(render(Profiles, { props: { redis: undefined } }).body);`;

const pages = pagesOf({ app: APP, hydrated: HYDRATED, server: SERVER, components: COMPONENTS });

/** Renders a component with `redis`. */
const mount = (page: Page, name: string, props: object = {}) =>
  page.evaluate(
    ([name, props]) => {
      const { svelte, components, redis } = app;
      const target = document.getElementById("root")!;
      const mounted = svelte.mount(components[name]!, { target, props: { redis, ...props } });
      app.end = () => void svelte.unmount(mounted);
    },
    [name, props] as const,
  );

test("the first render has the value, all who ask share it, and unmounting leaves nothing", async () => {
  const page = await pages.tab("first", { store: "memory" });
  await page.evaluate(() => app.redis.set("k", "here "));
  await mount(page, "Values", { count: 3 });
  await shows(page, "here ".repeat(6).trim());
  expect(await rendered(page)).toEqual(["here ", "here ", "here "]);
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("k", "changed "));
  await shows(page, "changed ".repeat(6).trim());
  await page.evaluate(() => app.end());
  await remembers(page, 0, 0);
});

test("a page that a server has rendered is hydrated without a mismatch", async () => {
  expect(pages.html.text).toContain("<p>… undefined</p>");
  const page = await pages.rendered();
  expect(await text(page)).toBe("… undefined");
  await page.evaluate(() => hydrate());
  await shows(page, "Ada 2");
  expect(await page.evaluate(() => paragraph === document.querySelector("p"))).toBe(true);
});

test("another command is shown at once, and what is not asked for any more is over", async () => {
  const page = await pages.tab("changing", { store: "memory" });
  await page.evaluate(() => app.redis.mSet({ "user:1": "name 1", "user:2": "name 2", "user:3": "name 3" }));
  await mount(page, "User");
  await shows(page, "name 1");
  for (const id of [2, 3]) {
    await page.evaluate((id) => app.set(id as never), id);
    await shows(page, `name ${id}`);
  }
  expect(await rendered(page)).toEqual([[1, "name 1"], [2, "name 2"], [3, "name 3"]]);
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("user:3", "another name"));
  await shows(page, "another name");
  await page.evaluate(() => app.set("hide" as never));
  await shows(page, "hidden");
  await remembers(page, 0, 0);
});

test("an error is a value, and what was there stays", async () => {
  const page = await pages.tab("errors", { store: "memory" });
  await page.evaluate(() => app.redis.rPush("k", "a"));
  await mount(page, "Length");
  await shows(page, "1");
  await page.evaluate(() => app.redis.set("k", "text"));
  await shows(page, "1 WRONGTYPE");
  await page.evaluate(async () => void (await app.redis.multi().del("k").rPush("k", "a", "b").exec()));
  await shows(page, "2");
});

test("an instance may be on its way, and no component is needed", async () => {
  const page = await pages.empty();
  const seen = await page.evaluate(async () => {
    const { inSvelte, lodis } = app;
    const opening = lodis.open("coming", { store: "memory" });
    const store = inSvelte.live(["GET", "k"], { redis: opening });
    const seen: unknown[] = [];
    const stop = store.subscribe((value) => seen.push(value));
    app.redis = await opening;
    await app.redis.set("k", "1");
    while (seen.at(-1) !== "1") await new Promise((resolve) => setTimeout(resolve, 10));
    stop();
    await app.redis.set("k", "2");
    return [seen[0], seen.at(-1), store.current];
  });
  expect(seen).toEqual([undefined, "1", "2"]);
  await remembers(page, 0, 0);
});

test("tabs show what others write; one without a copy asks the leader, and leaves nothing there", async () => {
  const leader = await pages.tab("tabs", {});
  const replica = await pages.tab("tabs", {});
  const thin = await pages.tab("tabs", { replica: false });
  await leader.evaluate(() => app.redis.zAdd("board", 1, "ann"));
  await expect.poll(() => replica.evaluate(() => app.redis.sync.zCard("board"))).toBe(1);
  for (const page of [replica, thin]) await mount(page, "Boards");
  for (const page of [replica, thin]) await shows(page, "ann");
  expect((await rendered(replica))[0]).toEqual(["ann"]);
  expect((await rendered(thin))[0]).toBeUndefined();
  await thin.evaluate(() => app.redis.zAdd("board", 2, "bob"));
  for (const page of [replica, thin]) await shows(page, "ann,bob");
  // Unmounted while it waits for the leader, and for good.
  await thin.evaluate(() => {
    app.end();
    const { svelte, components, redis } = app;
    const late = svelte.mount(components["User"]!, { target: document.createElement("div"), props: { redis } });
    void svelte.unmount(late);
  });
  await isDone(thin);
  await remembers(leader, 0, 0);
});
