// The bridge's side of the server, over the npm package `redis`: one connection for each page, that tells
// what changes, or one for each node of a cluster.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Entry, type Refusal, UpstreamError, type Value, type Words } from "../upstream/link.js";
import { applying, isRecord, reading, recordOf, refusalsIn, scannedIn, scanning, valuesIn } from "../upstream/scripts.js";
import type { Received } from "../upstream/wire.js";
import { type CommandTable, inSlots, slotOf } from "./commands.js";

/** Where the server is. */
export interface ServerOptions {
  /** `redis://` or `rediss://`, with user, password and database. */
  readonly url: string;
  /** Whether it is a node of a cluster. */
  readonly cluster: boolean;
}

/** How a connection tells of what happens by itself. */
export interface ServerListener {
  changed(keys: readonly Uint8Array[] | null): void;
  lost(error: Error): void;
}

type Word = Uint8Array | string;
/** What is used of a client of the package `redis`. */
interface Client {
  connect(): Promise<unknown>;
  sendCommand(words: (string | Buffer)[], options?: object): Promise<unknown>;
  on(event: string, listener: (value: never) => void): unknown;
  destroy(): void;
}
interface Cluster extends Omit<Client, "sendCommand"> {
  sendCommand(key: string | Buffer | undefined, readOnly: boolean, words: (string | Buffer)[], options?: object): Promise<unknown>;
  readonly masters: readonly { readonly address: string }[];
}
interface RedisModule {
  createClient(options: object): Client;
  createCluster(options: object): Cluster;
  readonly RESP_TYPES: { readonly BLOB_STRING: number; readonly VERBATIM_STRING: number };
}

/** The package `redis`: that of the app in whose directory this runs, or one beside this package. */
export async function redisModule(): Promise<RedisModule> {
  // Bundlers are not to look for it.
  let name = "redis";
  try {
    name = pathToFileURL(createRequire(join(process.cwd(), "package.json")).resolve(name)).href;
  } catch {
    // There is none there.
  }
  try {
    return (await import(name)) as RedisModule;
  } catch (error) {
    throw new Error("the bridge needs the package redis, 6 or later: npm install redis", { cause: error });
  }
}

/** Connects to the server, for one page. */
export async function connect(
  module: RedisModule,
  options: ServerOptions,
  table: CommandTable,
  prefix: Uint8Array,
  listener: ServerListener,
): Promise<Server> {
  const server = new Server(module, options, table, prefix, listener);
  try {
    await server.open();
    return server;
  } catch (error) {
    server.close();
    throw error;
  }
}

/** A connection to the server. */
export class Server {
  private readonly clients: Client[] = [];
  private readonly nodes: Client[] = [];
  private cluster: Cluster | undefined;
  private isOver = false;
  private readonly tags = new Map<number, Uint8Array>();
  private readonly typed: object;
  private changed: Uint8Array[] = [];

  constructor(
    private readonly module: RedisModule,
    private readonly options: ServerOptions,
    private readonly table: CommandTable,
    private readonly prefix: Uint8Array,
    private readonly listener: ServerListener,
  ) {
    const { BLOB_STRING, VERBATIM_STRING } = module.RESP_TYPES;
    this.typed = { typeMapping: { [BLOB_STRING]: Buffer, [VERBATIM_STRING]: Buffer } };
  }

  async open(): Promise<void> {
    const { url, cluster } = this.options;
    if (!cluster) return void this.nodes.push(await this.tracked(url));
    const defaults = { RESP: 3 };
    this.cluster = this.module.createCluster({ rootNodes: [{ url }], defaults });
    this.watch(this.cluster);
    await this.cluster.connect();
    for (const { address } of this.cluster.masters) {
      const node = new URL(url);
      node.host = address;
      this.nodes.push(await this.tracked(node.href));
    }
  }

  /** A connection that hears what others change. */
  private async tracked(url: string): Promise<Client> {
    const socket = { reconnectStrategy: false, connectTimeout: 10_000 };
    const client = this.module.createClient({ url, RESP: 3, socket, emitInvalidate: true });
    this.clients.push(client);
    this.watch(client);
    client.on("end", () => this.fail(new Error("the connection to the server has ended")));
    client.on("invalidate", (key: Uint8Array | string | null) => this.heard(key));
    await client.connect();
    // What scripts of its own write is told as well, whatever is asked for.
    const words = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", Buffer.from(this.prefix)];
    await client.sendCommand(["CLIENT", "TRACKING", "OFF"]);
    await client.sendCommand(words);
    return client;
  }

  private watch(client: Pick<Client, "on">): void {
    client.on("error", (error: Error) => this.fail(error));
  }

  private fail(error: Error): void {
    if (this.isOver) return;
    this.close();
    this.listener.lost(error);
  }

  /** Keys of one moment are told together. */
  private heard(key: Uint8Array | string | null): void {
    if (this.isOver) return;
    if (key === null) return this.listener.changed(null);
    const bytes = typeof key === "string" ? Buffer.from(key) : key;
    if (isRecord(this.prefix, bytes)) return;
    if (this.changed.push(bytes) > 1) return;
    setImmediate(() => {
      const changed = this.changed;
      this.changed = [];
      if (!this.isOver) this.listener.changed(changed);
    });
  }

  close(): void {
    this.isOver = true;
    for (const client of [...this.clients, ...(this.cluster ? [this.cluster] : [])]) {
      try {
        client.destroy();
      } catch {
        // It was never open, or is closed.
      }
    }
  }

  private async run(key: Uint8Array | undefined, words: readonly Word[]): Promise<Received> {
    const buffers = words.map((word) => (typeof word === "string" ? word : Buffer.from(word)));
    const { cluster, typed } = this;
    if (!cluster) return (await this.nodes[0]!.sendCommand(buffers, typed)) as Received;
    return (await cluster.sendCommand(key && Buffer.from(key), false, buffers, typed)) as Received;
  }

  /** Applies entries; what may not be is refused. */
  async apply(client: string, entries: readonly Entry[]): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    const bySlot = new Map<number, { entries: Entry[]; keys: Uint8Array[]; places: number[][] }>();
    for (const { id, commands } of entries) {
      const touched = new Map<number, { commands: Words[]; places: number[] }>();
      commands.forEach((command, index) => {
        const parts = this.partsOf(command);
        if (typeof parts === "string") return void refusals.push({ id, index, text: parts });
        for (const [slot, { part, keys }] of parts) {
          const group = bySlot.get(slot) ?? { entries: [], keys: [], places: [] };
          bySlot.set(slot, group);
          group.keys.push(...keys);
          const here = touched.get(slot) ?? { commands: [], places: [] };
          touched.set(slot, here);
          here.commands.push(part);
          here.places.push(index);
        }
      });
      for (const [slot, { commands: own, places }] of touched) {
        bySlot.get(slot)!.entries.push({ id, commands: own });
        bySlot.get(slot)!.places.push(places);
      }
    }
    for (const [slot, { entries: own, keys, places }] of bySlot) {
      const record = this.record(client, slot);
      const reply = await this.run(record, applying(record, distinct(keys), own, false));
      for (const { id, index, text } of refusalsIn(reply, own)) {
        const at = own.findIndex((entry) => entry.id === id);
        refusals.push({ id, index: places[at]?.[index] ?? index, text });
      }
    }
    return refusals;
  }

  /** A command in parts by slots (one, but for a cluster), or why it may not be sent. */
  private partsOf(command: Words): Map<number, { part: Words; keys: Words }> | string {
    const keys = this.table.keysOf(command, this.prefix);
    if (typeof keys === "string") return keys;
    if (!this.cluster) return new Map([[0, { part: command, keys }]]);
    const parts = inSlots(command, keys, slotOf);
    if (!parts) return "CROSSSLOT Keys in request don't hash to the same slot";
    const only = (slot: number): Words => keys.filter((key) => slotOf(key) === slot);
    return new Map([...parts].map(([slot, part]) => [slot, { part, keys: only(slot) }]));
  }

  /** The record of a client, in a cluster that of a slot: a transaction is in one. */
  private record(client: string, slot: number): Uint8Array {
    if (!this.cluster) return recordOf(this.prefix, client);
    const known = this.tags.get(slot);
    if (known) return known;
    // One of some 16,384 names is in the slot; all of them, if the prefix has braces of its own.
    for (let number = 0; number < 1_000_000; number++) {
      const record = recordOf(this.prefix, client, `:{${number}}`);
      if (slotOf(record) !== slot) continue;
      this.tags.set(slot, record);
      return record;
    }
    throw new UpstreamError("CROSSSLOT", "no name of a record is in the slot of a key: balance the braces of the prefix");
  }

  /** What keys hold. */
  async read(keys: readonly Uint8Array[], known: readonly string[]): Promise<Value[]> {
    if (!this.cluster) return valuesIn(await this.run(undefined, reading(keys, known, false, true)), keys.length);
    const places = new Map<number, number[]>();
    keys.forEach((key, index) => places.set(slotOf(key), [...(places.get(slotOf(key)) ?? []), index]));
    const values: Value[] = [];
    const readSlot = async (indexes: number[]): Promise<void> => {
      const own = indexes.map((index) => keys[index]!);
      const ownKnown = indexes.map((index) => known[index] ?? "");
      const read = valuesIn(await this.run(own[0], reading(own, ownKnown, false, true)), own.length);
      indexes.forEach((index, at) => (values[index] = read[at]!));
    };
    await Promise.all([...places.values()].map(readSlot));
    return values;
  }

  /** Some keys: of one node of a cluster after the other. */
  async scan(cursor: string | null): Promise<{ keys: Uint8Array[]; cursor: string | null }> {
    const [text = "0", from = "0"] = (cursor ?? "0:0").split(":");
    const index = Number(text);
    const node = this.nodes[index];
    if (!node) throw new UpstreamError("PROTOCOL", "there is no such cursor");
    const words = scanning(this.prefix, from).map((word) => (typeof word === "string" ? word : Buffer.from(word)));
    const found = scannedIn((await node.sendCommand(words, this.typed)) as Received);
    const keys = found.keys.filter((key) => !isRecord(this.prefix, key));
    if (found.cursor !== null) return { keys, cursor: `${index}:${found.cursor}` };
    return { keys, cursor: index + 1 < this.nodes.length ? `${index + 1}:0` : null };
  }
}

function distinct(keys: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(keys.map((key) => [Buffer.from(key).toString("latin1"), key])).values()];
}
