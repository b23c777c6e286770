// `lodis serve`: one engine, its data, and the places where it can be reached.
import { lookup } from "node:dns/promises";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join as joinPath } from "node:path";
import type { LogEvent } from "../boundary/wasm.js";
import { accept } from "../connection.js";
import { Durability } from "../durability.js";
import { type Loaded, load } from "../load.js";
import { StoreCalls } from "../stores/calls.js";
import { directory } from "../stores/directory.js";
import { wasmFile } from "../wasm-file.js";
import { type CommandLine, ConfigError, reasonOf } from "./conf.js";
import { type Configured, configure, valuesOf } from "./configure.js";
import type { ServedEngine } from "./engine.js";
import { restServer } from "./http.js";
import { type Listeners, listenAll } from "./listeners.js";
import { RdbFile } from "./rdb.js";
import { rewriteConfig } from "./rewrite.js";

/** What a server tells. */
export interface ServeEvents {
  /** What an operator should know. */
  readonly onNotice: (text: string) => void;
  /** A client has ended it with SHUTDOWN: everything is saved that is to be. */
  readonly onShutdown: () => void;
}

/** A server that listens. */
export interface Serving {
  readonly addresses: readonly string[];
  /** Saves to the RDB file, if that is done by itself. Rejects if that fails. */
  save(): Promise<void>;
  /** Ends every connection, stops listening, and stores what is pending. */
  close(): Promise<void>;
}

/** How long a peer has to take the last bytes when the server closes. */
const GRACE_MS = 500;
/** `errands`: the configuration file is to be written. */
const WANTS_CONFIG = 2;

/** Serves one engine: a session per connection. */
export async function serve(commandLine: CommandLine, events: ServeEvents): Promise<Serving> {
  const loaded = await load(wasmFile, true);
  const configured = configure(loaded, commandLine);
  const server = new Server(loaded, configured, events);
  try {
    await server.open();
  } catch (error) {
    await server.close().catch(() => {});
    throw error;
  }
  return server;
}

class Server implements Serving {
  addresses: readonly string[] = [];
  private readonly engine: ServedEngine;
  private readonly sockets = new Set<Socket>();
  private listeners: Listeners | undefined;
  private log: ServedLog | undefined;
  private rdb: RdbFile | undefined;

  constructor(
    private readonly loaded: Loaded,
    private readonly configured: Configured,
    private readonly events: ServeEvents,
  ) {
    this.engine = configured.engine;
  }

  async open(): Promise<void> {
    const { configured: { settings, unused }, engine, events } = this;
    const { onNotice } = events;
    if (unused.length > 0) onNotice(`these settings change nothing here: ${unused.join(" ")}`);
    if (settings["protected-mode"]) await protect(engine, settings.bind);
    if (settings.dir !== "") await this.openFiles(settings.dir);
    const take = (socket: Socket, peer: string): void => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
      accept({ engine, durability: this.log?.durability }, socket, peer);
    };
    const http = () => restServer(engine, () => this.log?.durability);
    this.listeners = await listenAll(settings, take, http);
    const { addresses, port } = this.listeners;
    if (port !== 0) engine.lodis.tellSetting("port", String(port));
    this.addresses = addresses;
    if (settings.pidfile !== "") this.writePid(settings.pidfile);
    engine.schedule(0);
    // The bytes that asked for it are still being looked at.
    engine.onShutdown = () => queueMicrotask(events.onShutdown);
    engine.onWrite = () => this.wrote();
    engine.onSettings = () => this.rdb?.readPoints();
  }

  async save(): Promise<void> {
    if (this.rdb?.isAutomatic) await this.rdb.save();
  }

  async close(): Promise<void> {
    const { configured: { settings }, engine, listeners, log, rdb, sockets } = this;
    const closed = listeners?.close();
    for (const socket of sockets) socket.end();
    const late = setTimeout(() => sockets.forEach((socket) => socket.destroy()), GRACE_MS);
    await closed;
    clearTimeout(late);
    try {
      await rdb?.close();
      await log?.close();
    } finally {
      engine.close();
      if (settings.pidfile !== "" && listeners) rmSync(settings.pidfile, { force: true });
    }
  }

  /** The log, and the RDB file where there is no log that has everything. */
  private async openFiles(dir: string): Promise<void> {
    const { configured: { settings }, engine, events: { onNotice }, loaded } = this;
    const { lodis } = engine;
    const rdb = new RdbFile(engine, joinPath(dir, settings.dbfilename), onNotice);
    this.rdb = rdb;
    const hasLog = lodis.setting("appendonly") === "yes";
    const hadLog = !hasLog && holdsLog(dir);
    this.log = await openLog(loaded, engine, dir, onNotice);
    if (hadLog) onNotice(`the log in "${dir}" is loaded, and goes on: ${settings.dbfilename} is not loaded beside it`);
    else if (!hasLog) await rdb.load();
    lodis.forgetChanges();
  }

  private wrote(): void {
    const { configured, engine, log, rdb } = this;
    log?.durability.written();
    rdb?.look();
    if ((engine.lodis.errands() & WANTS_CONFIG) === 0) return;
    const { file, fromFile, settings } = configured;
    let reason: string | undefined;
    try {
      rewriteConfig({ file: file!, fromFile, now: valuesOf(engine, settings) });
    } catch (error) {
      reason = reasonOf(error);
    }
    engine.lodis.rewroteConfig(reason);
    // The bytes that asked for it are still being looked at.
    queueMicrotask(() => engine.drain());
  }

  private writePid(path: string): void {
    try {
      writeFileSync(path, `${process.pid}\n`);
    } catch (error) {
      this.events.onNotice(`Failed to write PID file: ${reasonOf(error)}`);
    }
  }
}

/** The log of a server's engine. */
interface ServedLog {
  readonly durability: Durability;
  /** Stores what is pending, and lets go of the directory. */
  close(): Promise<void>;
}

async function openLog(
  { module }: Loaded,
  engine: ServedEngine,
  dir: string,
  onNotice: (text: string) => void,
): Promise<ServedLog> {
  let durability: Durability | undefined;
  const onEvent = (type: LogEvent, value: number | string): void => {
    if (type === "progress") return;
    if (type === "failed") durability?.failed(String(value));
    else durability?.durable();
    if (type !== "durable" && type !== "rewritten") onNotice(`the log in "${dir}": ${type} ${value}`.trimEnd());
    engine.drain();
  };
  const appendOnly = engine.lodis.setting("appendonly") === "yes";
  const appendFsync = engine.lodis.setting("appendfsync") as "always" | "everysec" | "no";
  const calls = new StoreCalls(directory(dir));
  const log = await module.Log.open(engine.lodis, calls, { appendOnly, appendFsync }, onEvent);
  const opened = new Durability(engine.lodis, log, () => {});
  durability = opened;
  const close = async (): Promise<void> => {
    try {
      await log.close();
      await calls.closed;
    } finally {
      log.free();
    }
  };
  return { durability: opened, close };
}

/** Whether a log was recorded in a directory. */
function holdsLog(dir: string): boolean {
  try {
    return readdirSync(dir).some((name) => /^[a-z]+-\d+$/.test(name));
  } catch {
    return false;
  }
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** Refuses to serve everybody everything. */
async function protect(engine: ServedEngine, bind: readonly string[]): Promise<void> {
  if (!engine.isOpen()) return;
  for (const word of bind) {
    const host = word.replace(/^-/, "");
    const isWhole = host === "*" || host === "::*";
    if (!isWhole && (await lookup(host)).address.match(LOOPBACK)) continue;
    throw new ConfigError(
      `other machines can reach ${isWhole ? "every address" : host}, and anybody there may do everything: ` +
        "give a --requirepass, or let them with --protected-mode no",
    );
  }
}
