// Subjects in headless Chromium, each a page.
import { launch } from "../browser.mjs";
import { LOCAL, STORED } from "./subjects.mjs";

class Subject {
  constructor(name, page, isShort) {
    Object.assign(this, { name, page, isShort });
  }

  async open() {
    await this.page.evaluate(([name, isShort]) => bench.open(name, isShort), [this.name, this.isShort]);
    return this;
  }

  prepare(index) {
    return this.page.evaluate(([index, isShort]) => bench.prepare(index, isShort), [index, this.isShort]);
  }

  sample() {
    return this.page.evaluate(() => bench.sample());
  }
}

/** Every subject, open; `close` ends them. */
export async function openAll(isShort) {
  const browser = await launch(new URL("./page.mjs", import.meta.url));
  const subjects = [];
  for (const name of [...Object.keys(LOCAL), ...Object.keys(STORED)]) {
    const page = await browser.newPage(name);
    subjects.push(await new Subject(name, page, isShort).open());
  }
  return { version: browser.version, subjects, close: () => browser.close() };
}
