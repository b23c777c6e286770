import * as timers from "node:timers";
import { accept, type Wire } from "../connection.js";
import type { Host } from "../host.js";
import type { Redis } from "../redis.js";
import { Connection, join, ServerEnd } from "./pipe.js";

/** An open instance, or one that is being opened. */
export type Instance = Redis | Promise<Redis>;
/** What a client is connected to: an instance, or what gives one whenever a connection is made. */
export type Source = Instance | (() => Instance);

const { setTimeout } = timers;
/** How long a client has to take the last bytes when the instance closes. */
const GRACE_MS = 500;

let connections = 0;

/**
 * Connects to an instance in this process: what is written are commands in RESP, what is read are replies,
 * as over TCP to a server. It behaves as a socket of `node:net`: it emits `connect`, has backpressure,
 * and keeps the process alive until it is closed, unless `unref()` is called.
 *
 * The connection is a client of its own, of the user `default`. It ends when the instance closes; if that is closed
 * already, or another tab has the data, it emits an error with the code `ECONNREFUSED`, whose `cause` tells why.
 *
 * @throws TypeError if `source` is no instance.
 */
export function createConnection(source: Source): Connection {
  mustBeSource(source);
  const client = new Connection(++connections);
  void connect(client, source);
  return client;
}

async function connect(client: Connection, source: Source): Promise<void> {
  try {
    const host = await hostOf(source);
    if (client.destroyed) return;
    const server = new ServerEnd(client.localPort!);
    serveWire(host, server);
    join(client, server);
  } catch (cause) {
    client.destroy(refused(cause));
  }
}

/** The instance that `source` gives. */
export async function hostOf(source: Source): Promise<Host> {
  const redis = await (typeof source === "function" ? source() : source);
  mustBeInstance(redis);
  return redis.host;
}

/** Throws if `source` can be seen to be none. */
export function mustBeSource(source: Source): void {
  const isLater = typeof source === "function" || typeof (source as Promise<Redis> | undefined)?.then === "function";
  if (!isLater) mustBeInstance(source);
}

function mustBeInstance(redis: unknown): asserts redis is Redis {
  // It may be that of another copy of this package.
  if (typeof (redis as Partial<Redis> | undefined)?.host?.served === "function") return;
  throw new TypeError("a client is connected to what open() has answered, or a function that answers that");
}

/** Serves a connection to an instance, until it closes; `peer` is the address of the client. */
export function serveWire(host: Host, wire: Wire, peer?: string): void {
  const served = host.served();
  const end = (): void => {
    wire.end();
    setTimeout(() => wire.destroy(), GRACE_MS).unref();
  };
  host.closers.add(end);
  const deafen = host.events.on("role", (role) => {
    // Another tab has the data from now on.
    if (role !== "leader" && role !== "alone") end();
  });
  wire.once("close", () => {
    host.closers.delete(end);
    deafen();
  });
  accept(served, wire, peer);
}

/** What a client hears that cannot connect. */
export function refused(cause: unknown): Error {
  const reason = (cause as Partial<Error> | undefined)?.message ?? String(cause);
  const error = new Error(`connect ECONNREFUSED: ${reason}`, { cause });
  return Object.assign(error, { code: "ECONNREFUSED", syscall: "connect" });
}
