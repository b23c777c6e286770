// A listener on a Unix socket, for clients that open sockets themselves.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostOf, mustBeSource, serveWire, type Source } from "./connect.js";

/** Listens for clients until it is closed; it does not keep the process alive. */
export interface Listener extends AsyncDisposable {
  /** The path of the Unix socket, or of the named pipe in Windows. */
  readonly path: string;
  /** What `createClient` of the package `redis` takes as `socket`. */
  readonly socket: {
    /** The same path. */
    readonly path: string;
    /** Nothing is encrypted. */
    readonly tls: false;
  };
  /** Ends the connections and stops listening; the instance goes on. */
  close(): Promise<void>;
}

/** Paths of sockets have no room for more than about a hundred bytes. */
const PATH_MAX = 90;
/** Directories that go with the process. */
const directories = new Set<string>();
let isCleared = false;

/**
 * Listens for clients of an instance on a Unix socket (in Windows, a named pipe), without a port: for clients that
 * take a path and no stream, as the package `redis`, and for other processes.
 *
 * @param path Where: a fresh path that only this user can reach, unless given.
 * @throws TypeError if `source` is no instance; the errors of `node:net` if the path cannot be listened on.
 */
export async function listen(source: Source, path?: string): Promise<Listener> {
  const listener = new PathListener(source, path);
  await listener.ready;
  return listener;
}

/** A listener that clients may connect to at once. */
export class PathListener implements Listener {
  readonly path: string;
  /** Rejects if nobody can connect. */
  readonly ready: Promise<void>;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly directory: string | undefined;
  private closed: Promise<void> | undefined;

  constructor(source: Source, path?: string) {
    mustBeSource(source);
    this.directory = path === undefined && process.platform !== "win32" ? freshDirectory() : undefined;
    this.path = path ?? (this.directory ? join(this.directory, "s") : `\\\\.\\pipe\\lodis-${randomUUID()}`);
    this.server = createServer((socket) => this.accept(source, socket));
    this.ready = new Promise((resolve, reject) => {
      this.server.once("listening", resolve).once("error", reject);
    });
    this.ready.catch(() => {});
    this.server.listen(this.path).unref();
  }

  get socket(): Listener["socket"] {
    return { path: this.path, tls: false };
  }

  close(): Promise<void> {
    this.closed ??= this.end();
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async end(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroySoon();
    await closed;
    if (this.directory === undefined) return;
    directories.delete(this.directory);
    rmdirSync(this.directory);
  }

  private accept(source: Source, socket: Socket): void {
    this.sockets.add(socket);
    // The client's end of it keeps the process alive, if it is in this one.
    socket.unref();
    socket.on("error", () => {});
    socket.once("close", () => this.sockets.delete(socket));
    hostOf(source)
      .then((host) => {
        // As Redis has it, of all clients of a path; one that is no file begins with a NUL.
        if (!socket.destroyed) serveWire(host, socket, `${this.path.replace("\0", "@")}:0`);
      })
      .catch(() => socket.destroy());
  }
}

/**
 * A path that leaves nothing behind even if the process is killed, where there are such: whoever can run programs on
 * this machine can connect, as to a server that listens on 127.0.0.1.
 */
export function abstractPath(): string | undefined {
  const { bun, deno, uv = "" } = process.versions;
  const [major = 0, minor = 0] = uv.split(".").map(Number);
  const isThere = process.platform === "linux" && !bun && !deno && major === 1 && minor >= 46;
  return isThere ? `\0lodis-${randomUUID()}` : undefined;
}

function freshDirectory(): string {
  const parent = tmpdir().length <= PATH_MAX - 20 ? tmpdir() : "/tmp";
  const directory = mkdtempSync(join(parent, "lodis-"));
  if (!isCleared) process.once("exit", removeAll);
  isCleared = true;
  directories.add(directory);
  return directory;
}

function removeAll(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}
