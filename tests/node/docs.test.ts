// The reference of the API: everything public is described, and no link leads nowhere.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Application, Logger, LogLevel } from "typedoc";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

class Messages extends Logger {
  readonly texts: string[] = [];
  override log(text: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.texts.push(text);
  }
}

test("it is built without a warning", { timeout: 240_000 }, async () => {
  const app = await Application.bootstrapWithPlugins({ options: path("../docs/typedoc.config.mjs") });
  const messages = new Messages();
  app.logger = messages;
  const project = await app.convert();
  expect(messages.texts).toEqual([]);
  app.validate(project!);
  expect(messages.texts).toEqual([]);
  // The methods of the commands are on the pages of their groups, once.
  const names = Object.values(project!.reflections).map((reflection) => reflection.getFriendlyFullName());
  expect(names).toContain("index.SortedSetCommands.zRange");
  expect(names).not.toContain("index.Redis.zRange");
  expect(names).toEqual(expect.arrayContaining(["index.Redis.consume", "index.open", "slim.init", "rest.rest", "clients.connector", "react.useLodis"]));
});
