// The example of the package's README runs, and answers what its comments say.
import { readFile, rm, writeFile } from "node:fs/promises";
import { expect, test, vi } from "vitest";

test("the example runs", async () => {
  const readme = await readFile(new URL("../../pkg/README.md", import.meta.url), "utf8");
  const [, example] = /```js\n([^]*?)```/.exec(readme)!;
  // Each awaited line that only calls is kept, so that its reply can be looked at.
  const kept = example!
    .replace(/^(await redis\.|redis\.sync\.)/gm, "replies[replies.length] = $1")
    .replace(/^const redis/m, "export const replies = [];\n$&");
  const file = new URL("./readme-example.tmp.mjs", import.meta.url);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  await writeFile(file, kept);
  try {
    const { replies } = (await import(/* @vite-ignore */ file.href)) as { replies: unknown[] };
    const bytes = new TextEncoder().encode("user_data");
    expect(replies).toEqual([
      "OK", "OK", "OK", "OK", "user_data", bytes, 1, [2, "2"],
      ["v", expect.objectContaining({ code: "ERR" })], undefined,
    ]);
    expect(log.mock.calls).toEqual([["alerts", "Welcome, new user!"]]);
  } finally {
    log.mockRestore();
    await rm(file);
  }
});
