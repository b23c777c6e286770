// useLodis of lodis/react, in React.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { isDone, pagesOf, remembers, rendered, shows, text } from "./following.js";

const APP = `
  import * as React from "react";
  import { createRoot } from "react-dom/client";
  import * as inReact from "lodis/react";
  import * as lodis from "lodis";
  globalThis.app = { React, createRoot, lodis, inReact, rendered: [] };`;

/** What the server and the page render alike. */
const PROFILE = `
  export function Profile() {
    const user = useLodis(["HGETALL", "user:1"], { initial: { name: "…" } });
    const score = useLodis(["GET", "score"]);
    return createElement("p", { id: "profile" }, user.name ?? "nobody", " ", String(score));
  }`;
const HYDRATED = `
  import { createElement } from "react";
  import { hydrateRoot } from "react-dom/client";
  import { LodisProvider, useLodis } from "lodis/react";
  import { open } from "lodis";
  ${PROFILE}
  globalThis.hydrate = async () => {
    const redis = await open("hydrated", { store: "memory" });
    redis.sync.hSet("user:1", { name: "Ada" });
    redis.sync.set("score", 1);
    globalThis.paragraph = document.querySelector("p");
    hydrateRoot(document.getElementById("root"), createElement(LodisProvider, { redis }, createElement(Profile)));
    setTimeout(() => redis.set("score", 2), 50);
  };`;
const SERVER = `
  import { createElement } from "react";
  import { renderToString } from "react-dom/server";
  import { LodisProvider, useLodis } from "lodis/react";
  ${PROFILE}
  const render = (redis) => renderToString(createElement(LodisProvider, { redis }, createElement(Profile)));
  export const html = Promise.resolve(render(undefined));
  if (render(new Promise(() => {})) !== render(undefined)) throw new Error("a promise is no instance");`;

const pages = pagesOf({ app: APP, hydrated: HYDRATED, server: SERVER });

test("the first render has the value, and StrictMode and unmounting leave nothing", async () => {
  const page = await pages.tab("first", { store: "memory" });
  await page.evaluate(() => {
    const { React, inReact, redis, rendered } = app;
    const { createElement } = React;
    redis.sync.set("k", "here");
    function Value() {
      const value = inReact.useLodis(["GET", "k"]);
      rendered.push(value);
      return createElement("b", null, value);
    }
    const root = app.createRoot(document.getElementById("root")!);
    // Five that ask for the same.
    const values = Array.from({ length: 5 }, (_, key) => createElement(Value, { key }));
    const tree = createElement(inReact.LodisProvider, { redis }, values);
    root.render(createElement(React.StrictMode, null, tree));
    app.end = () => root.unmount();
  });
  await shows(page, "here".repeat(5));
  expect(new Set(await rendered(page))).toEqual(new Set(["here"]));
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("k", "changed"));
  await shows(page, "changed".repeat(5));
  await page.evaluate(() => app.end());
  await remembers(page, 0, 0);
});

test("a page that a server has rendered is hydrated without a mismatch", async () => {
  expect(pages.html.text).toBe('<p id="profile">…<!-- --> <!-- -->undefined</p>');
  const page = await pages.rendered();
  expect(await text(page)).toBe("… undefined");
  await page.evaluate(() => hydrate());
  await shows(page, "Ada 2");
  expect(await page.evaluate(() => paragraph === document.querySelector("p"))).toBe(true);
});

test("another command is shown at once, and what is not asked for any more is over", async () => {
  const page = await pages.tab("changing", { store: "memory" });
  await page.evaluate(() => {
    const { React, inReact, redis, rendered } = app;
    for (const id of [1, 2, 3]) redis.sync.set(`user:${id}`, `name ${id}`);
    function User() {
      const [id, setId] = React.useState<number | null>(1);
      app.set = setId;
      const name = inReact.useLodis(id === null ? null : ["GET", `user:${id}`], { redis });
      rendered.push([id, name]);
      return React.createElement("b", null, String(name ?? "nobody"));
    }
    const root = app.createRoot(document.getElementById("root")!);
    root.render(React.createElement(User));
  });
  await shows(page, "name 1");
  for (const id of [2, 3]) {
    await page.evaluate((id) => app.set(id as never), id);
    await shows(page, `name ${id}`);
  }
  expect(await rendered(page)).toEqual([[1, "name 1"], [2, "name 2"], [3, "name 3"]]);
  await remembers(page, 1, 1);
  await page.evaluate(() => app.redis.set("user:1", "nobody looks"));
  await page.evaluate(() => app.redis.set("user:3", "another name"));
  await shows(page, "another name");
  expect(await rendered(page)).toHaveLength(4);
  await page.evaluate(() => app.set(null as never));
  await shows(page, "nobody");
  await remembers(page, 0, 0);
});

test("no render shows two states, also while a transition is under way", async () => {
  const page = await pages.tab("tearing", { store: "memory" });
  const torn = await page.evaluate(async () => {
    const { React, inReact, redis } = app;
    const { createElement } = React;
    const committed: string[] = [];
    redis.sync.mSet({ a: 0, b: 0 });
    const slow = (): void => {
      const until = performance.now() + 5;
      while (performance.now() < until);
    };
    function Value({ name }: { name: string }) {
      slow();
      return createElement("i", null, inReact.useLodis(["GET", name]), " ");
    }
    function Page() {
      const [count, setCount] = React.useState(1);
      app.set = setCount as never;
      React.useLayoutEffect(() => {
        committed.push(document.getElementById("root")!.textContent!.trim());
      });
      const values = Array.from({ length: count }, (_, at) => createElement(Value, { key: at, name: at % 2 ? "a" : "b" }));
      return createElement("p", null, values);
    }
    const root = app.createRoot(document.getElementById("root")!);
    root.render(createElement(inReact.LodisProvider, { redis }, createElement(Page)));
    while (!app.set) await new Promise((resolve) => setTimeout(resolve));
    let writes = 0;
    for (const count of [20, 10, 30, 15]) {
      React.startTransition(() => app.set(count as never));
      for (let times = 0; times < 20; times++) {
        const value = ++writes;
        redis.sync.mSet({ a: value, b: value });
        await new Promise((resolve) => setTimeout(resolve, 7));
      }
    }
    const isDone = () => new Set(committed.at(-1)!.split(/\s+/)).has(String(writes)) && committed.at(-1)!.split(/\s+/).length === 15;
    while (!isDone()) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      committed.push(document.getElementById("root")!.textContent!.trim());
    }
    return committed.filter((shown) => new Set(shown.split(/\s+/).filter(Boolean)).size > 1);
  });
  expect(torn).toEqual([]);
});

test("errors go to the boundary, or are values", async () => {
  const page = await pages.tab("errors", { store: "memory" });
  await page.evaluate(() => {
    const { React, inReact, redis } = app;
    const { createElement } = React;
    redis.sync.set("k", "text");
    class Boundary extends React.Component<{ children?: import("react").ReactNode }> {
      override state: { error?: Error & { code?: string } } = {};
      static getDerivedStateFromError(error: Error) {
        return { error };
      }
      override render() {
        return this.state.error ? `caught ${this.state.error.code}` : this.props.children;
      }
    }
    function Throws() {
      return createElement("b", null, String(inReact.useLodis(["LLEN", "k"])));
    }
    function Tells() {
      const { value, error, isPending } = inReact.useLodisQuery(["LLEN", "k"]);
      return createElement("b", null, `; ${value} ${error?.message.split(" ")[0]} ${isPending}`);
    }
    const root = app.createRoot(document.getElementById("root")!, { onCaughtError: () => {} });
    const children = [createElement(Boundary, { key: 1 }, createElement(Throws)), createElement(Tells, { key: 2 })];
    root.render(createElement(inReact.LodisProvider, { redis }, children));
  });
  await shows(page, "caught WRONGTYPE; undefined WRONGTYPE false");
  await page.evaluate(async () => {
    await app.redis.multi().del("k").rPush("k", "a").exec();
  });
  await shows(page, "caught WRONGTYPE; 1 undefined false");
});

test("an instance may be on its way, or never come", async () => {
  const page = await pages.empty();
  await page.evaluate(() => {
    const { React, inReact, lodis, rendered } = app;
    const { createElement } = React;
    class Boundary extends React.Component<{ children?: import("react").ReactNode }> {
      override state: { error?: Error } = {};
      static getDerivedStateFromError(error: Error) {
        return { error };
      }
      override render() {
        return this.state.error ? `caught ${this.state.error.message}` : this.props.children;
      }
    }
    function Value() {
      const value = inReact.useLodis(["GET", "k"]);
      rendered.push(value);
      return createElement("b", null, String(value));
    }
    const opening = lodis.open("coming", { store: "memory" });
    const failing = Promise.reject(new Error("no store"));
    failing.catch(() => {});
    const root = app.createRoot(document.getElementById("root")!, { onCaughtError: () => {} });
    const trees = [opening, failing].map((redis, key) =>
      createElement(Boundary, { key }, createElement(inReact.LodisProvider, { redis }, createElement(Value))),
    );
    root.render(trees);
  });
  await shows(page, "nullcaught no store");
  expect((await rendered(page))[0]).toBeUndefined();
});

test("tabs show what others write; one without a copy asks the leader, and leaves nothing there", async () => {
  const leader = await pages.tab("tabs", {});
  const replica = await pages.tab("tabs", {});
  const thin = await pages.tab("tabs", { replica: false });
  const render = (page: Page) =>
    page.evaluate(() => {
      const { React, inReact, redis, rendered } = app;
      function Board() {
        const top = inReact.useLodis(["ZRANGE", "board", 0, 9]);
        rendered.push(top);
        return React.createElement("b", null, top?.join() ?? "waiting");
      }
      const root = app.createRoot(document.getElementById("root")!);
      const tree = React.createElement(inReact.LodisProvider, { redis }, React.createElement(Board));
      root.render(React.createElement(React.StrictMode, null, tree));
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
  await thin.evaluate(async () => {
    app.end();
    const { React, inReact, redis } = app;
    const Late = () => React.createElement("b", null, inReact.useLodis(["GET", "late"], { redis }));
    const root = app.createRoot(document.createElement("div"));
    root.render(React.createElement(Late));
    await new Promise((resolve) => setTimeout(resolve));
    root.unmount();
  });
  await isDone(thin);
  await remembers(leader, 0, 0);
});
