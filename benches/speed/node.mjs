// Subjects in Node, each a process.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, connect } from "node:net";
import { fileURLToPath } from "node:url";
import { REMOTE } from "./remote.mjs";
import { LOCAL } from "./subjects.mjs";

const CHILD = fileURLToPath(new URL("./child.mjs", import.meta.url));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A redis-server of our own, if it is installed. */
async function redisServer() {
  const port = await freePort();
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], { stdio: "ignore" });
  const failed = once(server, "error").then(() => true);
  for (let turn = 0; turn < 100; turn++) {
    const socket = connect(port, "127.0.0.1");
    const answers = await Promise.race([
      failed.then(() => "missing"),
      once(socket, "connect").then(() => "there", () => new Promise((resolve) => setTimeout(resolve, 50))),
    ]);
    socket.destroy();
    if (answers === "missing") return undefined;
    if (answers === "there") return { port, close: () => server.kill() };
  }
  server.kill();
  return undefined;
}

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
