// useLodis of lodis/vue, in Vue.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { isDone, pagesOf, remembers, rendered, shows, text } from "./following.js";

const APP = `
  import * as vue from "vue";
  import * as inVue from "lodis/vue";
  import * as lodis from "lodis";
  globalThis.app = { vue, inVue, lodis, rendered: [] };`;

/** What the server and the page render alike. */
const PROFILE = `
  import { createSSRApp, h } from "vue";
  import { lodis, useLodis } from "lodis/vue";
  const Profile = {
    setup() {
      const { data: user } = useLodis(["HGETALL", "user:1"], { initial: { name: "…" } });
      const { data: score } = useLodis(["GET", "score"]);
      return () => h("p", [user.value.name ?? "nobody", " ", String(score.value)]);
    },
  };`;
const HYDRATED = `
  import { open } from "lodis";
  ${PROFILE}
  globalThis.hydrate = async () => {
    const redis = await open("hydrated", { store: "memory" });
    redis.sync.hSet("user:1", { name: "Ada" });
    redis.sync.set("score", 1);
    globalThis.paragraph = document.querySelector("p");
    createSSRApp({ render: () => h(Profile) }).use(lodis, redis).mount("#root");
    setTimeout(() => redis.set("score", 2), 50);
  };`;
const SERVER = `
  import { renderToString } from "vue/server-renderer";
  ${PROFILE}
  export const html = renderToString(createSSRApp({ render: () => h(Profile) }).use(lodis, undefined));`;

const pages = pagesOf({ app: APP, hydrated: HYDRATED, server: SERVER });

test("the first render has the value, all who ask share it, and unmounting leaves nothing", async () => {
  const page = await pages.tab("first", { store: "memory" });
  await page.evaluate(() => {
    const { vue, inVue, redis, rendered } = app;
    redis.sync.set("k", "here");
    const Value = {
      setup() {
        const { data } = inVue.useLodis(["GET", "k"]);
        return () => {
          rendered.push(data.value);
          return vue.h("b", data.value ?? "");
        };
      },
    };
    const root = vue.createApp({ render: () => Array.from({ length: 5 }, () => vue.h(Value)) });
    root.use(inVue.lodis, redis).mount("#root");
    app.end = () => root.unmount();
  });
  await shows(page, "here".repeat(5));
  expect(await rendered(page)).toEqual(Array.from({ length: 5 }, () => "here"));
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("k", "changed"));
  await shows(page, "changed".repeat(5));
  await page.evaluate(() => app.end());
  await remembers(page, 0, 0);
});

test("a page that a server has rendered is hydrated without a mismatch", async () => {
  expect(pages.html.text).toBe("<p>… undefined</p>");
  const page = await pages.rendered();
  expect(await text(page)).toBe("… undefined");
  await page.evaluate(() => hydrate());
  await shows(page, "Ada 2");
  expect(await page.evaluate(() => paragraph === document.querySelector("p"))).toBe(true);
});

test("another command is shown at once, and what is not asked for any more is over", async () => {
  const page = await pages.tab("changing", { store: "memory" });
  await page.evaluate(() => {
    const { vue, inVue, redis, rendered } = app;
    for (const id of [1, 2, 3]) redis.sync.set(`user:${id}`, `name ${id}`);
    const root = vue.createApp({
      setup() {
        const id = vue.ref<number | null>(1);
        const unrelated = vue.ref(0);
        app.set = (value) => {
          id.value = value;
          unrelated.value++;
        };
        const { data } = inVue.useLodis(() => (id.value === null ? null : ["GET", `user:${id.value}`]), { redis });
        return () => {
          rendered.push([id.value, data.value]);
          return String(data.value ?? "nobody");
        };
      },
    });
    root.mount("#root");
  });
  await shows(page, "name 1");
  for (const id of [2, 3]) {
    await page.evaluate((id) => app.set(id as never), id);
    await shows(page, `name ${id}`);
  }
  expect(await rendered(page)).toEqual([[1, "name 1"], [2, "name 2"], [3, "name 3"]]);
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("user:3", "another name"));
  await shows(page, "another name");
  await page.evaluate(() => app.set(null as never));
  await shows(page, "nobody");
  await remembers(page, 0, 0);
});

test("an error is a value, and what was there stays", async () => {
  const page = await pages.tab("errors", { store: "memory" });
  await page.evaluate(() => {
    const { vue, inVue, redis } = app;
    redis.sync.rPush("k", "a");
    vue
      .createApp({
        setup() {
          inVue.provideLodis(redis);
          const Inner = {
            setup() {
              const { data, error } = inVue.useLodis(["LLEN", "k"]);
              return () => `${data.value} ${error.value?.message.split(" ")[0]}`;
            },
          };
          return () => vue.h(Inner);
        },
      })
      .mount("#root");
  });
  await shows(page, "1 undefined");
  await page.evaluate(() => app.redis.set("k", "text"));
  await shows(page, "1 WRONGTYPE");
  await page.evaluate(async () => void (await app.redis.multi().del("k").rPush("k", "a", "b").exec()));
  await shows(page, "2 undefined");
});

test("an instance may be on its way, and a scope is enough", async () => {
  const page = await pages.empty();
  expect(
    await page.evaluate(async () => {
      const { vue, inVue, lodis } = app;
      const opening = lodis.open("coming", { store: "memory" });
      const scope = vue.effectScope();
      const seen: unknown[] = [];
      const { data } = scope.run(() => inVue.useLodis(["GET", "k"], { redis: opening }))!;
      vue.watch(data, (value) => seen.push(value), { immediate: true, flush: "sync" });
      app.redis = await opening;
      await app.redis.set("k", "1");
      while (seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
      scope.stop();
      let refused = "";
      try {
        inVue.useLodis(["GET", "k"], { redis: app.redis });
      } catch (error) {
        refused = (error as Error).name;
      }
      return [seen, refused];
    }),
  ).toEqual([[undefined, null, "1"], "TypeError"]);
  await remembers(page, 0, 0);
});

test("tabs show what others write; one without a copy asks the leader, and leaves nothing there", async () => {
  const leader = await pages.tab("tabs", {});
  const replica = await pages.tab("tabs", {});
  const thin = await pages.tab("tabs", { replica: false });
  const render = (page: Page) =>
    page.evaluate(() => {
      const { vue, inVue, redis, rendered } = app;
      const root = vue.createApp({
        setup() {
          const { data } = inVue.useLodis(["ZRANGE", "board", 0, 9]);
          return () => {
            rendered.push(data.value);
            return data.value?.join() ?? "waiting";
          };
        },
      });
      root.use(inVue.lodis, redis).mount("#root");
      app.end = () => root.unmount();
    });
  await leader.evaluate(() => app.redis.zAdd("board", 1, "ann"));
  await expect.poll(() => replica.evaluate(() => app.redis.sync.zCard("board"))).toBe(1);
  for (const page of [replica, thin]) await render(page);
  for (const page of [replica, thin]) await shows(page, "ann");
  expect((await rendered(replica))[0]).toEqual(["ann"]);
  expect((await rendered(thin))[0]).toBeUndefined();
  await thin.evaluate(() => app.redis.zAdd("board", 2, "bob"));
  for (const page of [replica, thin]) await shows(page, "ann,bob");
  // Unmounted while it waits for the leader, and for good.
  await thin.evaluate(() => {
    app.end();
    const { vue, inVue, redis } = app;
    const late = vue.createApp({
      setup() {
        const { data } = inVue.useLodis(["GET", "late"], { redis });
        return () => data.value;
      },
    });
    late.mount(document.createElement("div"));
    late.unmount();
  });
  await isDone(thin);
  await remembers(leader, 0, 0);
});
