// The components of the package's README, in the frameworks that they are for.
import { transform } from "esbuild";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { compileScript, parse } from "vue/compiler-sfc";
import { block } from "../node/readme.js";
import { end, launch, type Profile } from "./browser.js";
import { serveApp } from "./frameworks.js";

let profile: Profile;
let server: Awaited<ReturnType<typeof serveApp>> | undefined;
beforeAll(async () => {
  profile = await launch();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(async () => {
  await end(profile);
  expect(profile.problems).toEqual([]);
});

/** The page of an app, which has `redis` as a global, shows what is asked for, and what it changes to. */
async function showsProfile(app: string, components: Record<string, string> = {}): Promise<void> {
  server = await serveApp(app, { "/page": '<div id="root"></div>' }, components);
  const page = await profile.context.newPage();
  await page.goto(`${server.url}page`);
  const paragraph = page.locator("#root p");
  await expect.poll(() => paragraph.textContent()).toBe("…");
  for (const name of ["Ada", "Eve"]) {
    await page.evaluate(async (name) => void (await redis).hSet("user:1", { name }), name);
    await expect.poll(() => paragraph.textContent()).toBe(name);
  }
  await page.close();
}

test("React", async () => {
  const jsx = await block("package: React, Vue, Svelte, jsx");
  const { code } = await transform(jsx, { loader: "jsx", jsx: "automatic" });
  await showsProfile(`
    import { createRoot } from "react-dom/client";
    const root = createRoot(document.getElementById("root"));
    ${code}
    globalThis.redis = redis;`);
});

test("Vue", async () => {
  const source = await block("package: React, Vue, Svelte, vue");
  const { descriptor, errors } = parse(source);
  expect(errors).toEqual([]);
  const { content } = compileScript(descriptor, { id: "profile", inlineTemplate: true });
  const installs = /app\.use\(lodis, open\("app"\)\)/.exec(source)![0].replace('open("app")', "redis");
  await showsProfile(`
    import { createApp } from "vue";
    import { lodis } from "lodis/vue";
    import { open } from "lodis";
    ${content.replace("export default", "const Profile =")}
    globalThis.redis = open("vue");
    const app = createApp(Profile, { id: 1 });
    ${installs};
    app.mount("#root");`);
});

test("Svelte", async () => {
  const source = await block("package: React, Vue, Svelte, svelte");
  const around = `<script>
    import { provideLodis } from "lodis/svelte";
    import Profile from "./Profile.svelte";
    provideLodis(redis);
  </script>
  <Profile id={1} />`;
  await showsProfile(
    `import { mount } from "svelte";
    import { open } from "lodis";
    import Around from "./Around.svelte";
    globalThis.redis = open("svelte");
    mount(Around, { target: document.getElementById("root") });`,
    { "Profile.svelte": source, "Around.svelte": around },
  );
});
