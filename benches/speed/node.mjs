// Subjects in Node, each a process.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { redisServer } from "../servers.mjs";
import { REMOTE } from "./remote.mjs";
import { LOCAL } from "./subjects.mjs";

const CHILD = fileURLToPath(new URL("./child.mjs", import.meta.url));

class Subject {
  #settle;

  constructor(name, port, isShort) {
    this.name = name;
    this.child = fork(CHILD, [name, String(port ?? 0), String(isShort)]);
    this.child.on("message", (message) => this.#settle?.(message));
    this.child.on("exit", () => this.#settle?.({ error: "it has ended" }));
  }

  async #answer() {
    const message = await new Promise((resolve) => (this.#settle = resolve));
    if (message.error !== undefined) throw new Error(`${this.name}: ${message.error}`);
    return message.answer;
  }

  async ask(...message) {
    const answer = this.#answer();
    this.child.send(message);
    return answer;
  }

  async open() {
    await this.#answer();
    return this;
  }

  prepare(index) {
    return this.ask("prepare", index);
  }

  sample() {
    return this.ask("sample");
  }

  async close() {
    const ended = once(this.child, "exit");
    this.child.send(["close"]);
    await ended;
  }
}

/** Every subject, open; `close` ends them. */
export async function openAll(isShort) {
  const server = await redisServer();
  if (server === undefined) console.error("redis-server is not installed: its clients are left out");
  const names = [...Object.keys(LOCAL), ...(server === undefined ? [] : Object.keys(REMOTE))];
  const subjects = [];
  for (const name of names) subjects.push(await new Subject(name, server?.port, isShort).open());
  return {
    subjects,
    async close() {
      for (const subject of subjects) await subject.close();
      server?.close();
    },
  };
}
