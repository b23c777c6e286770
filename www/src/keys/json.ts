import { sizeOf } from "../sizes.js";
import { ascii, shown } from "./bytes.js";
import { scoreText } from "./kinds.js";
import type { Command, Data } from "./data.js";
import { nextTask } from "./search.js";
import type { Progress, Some } from "./transfer.js";

/** Text, or bytes that are no UTF-8. */
type Bytes = string | { readonly base64: string };

/** A key in a file of JSON. */
export interface JsonKey {
  /** Its database; without, the one that is looked at. */
  readonly db?: number;
  readonly key: Bytes;
  readonly type: string;
  /** Milliseconds to live; null for ever. */
  readonly ttl: number | null;
  /**
   * A string; or an array: of elements, members, `[field, value, ttl | null]`, `[member, score]`, or
   * `[id, [field, value, …]]`.
   */
  readonly value: unknown;
}

/** A file of keys. */
export interface JsonFile {
  readonly format: "lodis-keys";
  readonly version: 1;
  readonly keys: readonly JsonKey[];
}

const HEAD = '{"format":"lodis-keys","version":1,"keys":[';
/** So much of a file is read at a time. */
const READ = 256 * 1024;
/** What was written on one line, or anew by something else, is read in one piece: up to so much. */
const ONE_PIECE = 32 * 1024 * 1024;

function toJson(value: unknown): Bytes {
  const bytes = value as Uint8Array;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return { base64: btoa(text) };
  }
}

function fromJson(value: unknown, where: string): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  const base64 = (value as { base64?: unknown } | null)?.base64;
  if (typeof base64 !== "string") throw new Error(`${where} is neither a text nor {"base64": "…"}.`);
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error(`${where} is no base64.`);
  }
}

const READS: Readonly<Record<string, (key: Uint8Array) => Command>> = {
  string: (key) => ["GET", key],
  list: (key) => ["LRANGE", key, 0, -1],
  set: (key) => ["SMEMBERS", key],
  hash: (key) => ["HSCAN", key, "0", "COUNT", 2 ** 31],
  zset: (key) => ["ZRANGE", key, 0, -1, "WITHSCORES"],
  stream: (key) => ["XRANGE", key, "-", "+"],
};

/** Keys as a file, with their databases if `hasDb`. Consumer groups of streams are not in it. */
export async function exportJson(data: Data, slices: AsyncIterable<Some>, total: number, hasDb: boolean, { onProgress, signal }: Progress): Promise<Blob> {
  const parts: string[] = [];
  const seen = new Set<string>();
  for await (const { db, keys } of slices) {
    signal.throwIfAborted();
    // While keys change, SCAN may find one twice.
    const some = keys.filter((key) => seen.size !== seen.add(`${db} ${shown(key)}`).size);
    for (const one of await jsonOf(data, some, db)) parts.push(JSON.stringify(hasDb ? { db, ...one } : one));
    onProgress(Math.min(0.99, seen.size / Math.max(total, 1)));
  }
  return new Blob([HEAD, "\n", parts.join(",\n"), "\n]}\n"], { type: "application/json" });
}

async function jsonOf(data: Data, keys: readonly Uint8Array[], db: number): Promise<JsonKey[]> {
  const types = (await data.run(keys.map((key): Command => ["TYPE", key]), db)).map(ascii);
  const known = keys.map((key, index) => ({ key, type: types[index]! })).filter(({ type }) => type in READS);
  // What is read of one key is of one moment.
  const commands = known.flatMap(({ key, type }): Command[] => [READS[type]!(key), ["PTTL", key]]);
  if (commands.length === 0) return [];
  const answers = await data.transaction(commands, undefined, db);
  const found: JsonKey[] = [];
  for (const [index, { key, type }] of known.entries()) {
    const [value, ttl] = [answers[index * 2], Number(answers[index * 2 + 1])];
    if (ttl === -2) continue; // It has gone meanwhile.
    found.push({ key: toJson(key), type, ttl: ttl >= 0 ? ttl : null, value: await valueOf(data, db, key, type, value) });
  }
  return found;
}

async function valueOf(data: Data, db: number, key: Uint8Array, type: string, value: unknown): Promise<unknown> {
  if (type === "string") return toJson(value);
  if (type === "zset") return (value as [Uint8Array, number][]).map(([member, score]) => [toJson(member), scoreText(score)]);
  if (type === "stream") return (value as [Uint8Array, Uint8Array[]][]).map(([id, words]) => [ascii(id), words.map(toJson)]);
  if (type !== "hash") return (value as Uint8Array[]).map(toJson);
  const flat = (value as [Uint8Array, Uint8Array[]])[1];
  const names = flat.filter((_, index) => index % 2 === 0);
  const left = (names.length > 0 && ((await data.run([["HPTTL", key, "FIELDS", names.length, ...names]], db))[0] as number[] | null)) || [];
  return names.map((name, index) => [toJson(name), toJson(flat[index * 2 + 1]), (left[index] ?? -1) >= 0 ? left[index] : null]);
}

/** What writes one key. */
export interface Written {
  readonly db?: number | undefined;
  readonly key: Uint8Array;
  readonly commands: readonly Command[];
}

/** Reads a file bit by bit; throws, with what is wrong and where. */
export async function* readJson(file: Blob): AsyncGenerator<{ keys: Written[]; done: number }> {
  const head = await file.slice(0, HEAD.length + 1).text();
  if (head !== `${HEAD}\n`) {
    if (file.size > ONE_PIECE) throw new Error(`of JSON that is not as it was exported, at most ${sizeOf(ONE_PIECE)} are read.`);
    return yield { keys: parseJson(await file.text()), done: 1 };
  }
  let [left, at, count, isOver] = ["", HEAD.length + 1, 0, false];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  while (at < file.size) {
    const piece = await file.slice(at, at + READ).arrayBuffer();
    at += piece.byteLength;
    const lines = (left + decoder.decode(piece, { stream: at < file.size })).split("\n");
    left = lines.pop()!;
    const keys: Written[] = [];
    for (const line of lines) {
      if (line === "]}") isOver = true;
      else if (line !== "") keys.push(written(parsed(line.replace(/,$/, "")), `Key ${++count}`));
    }
    yield { keys, done: at / file.size };
    await nextTask();
  }
  if (!isOver || left !== "") throw new Error("this JSON is not whole.");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${(error as Error).message}`);
  }
}

function parseJson(text: string): Written[] {
  const file = parsed(text) as Partial<JsonFile> | null;
  if (file?.format !== "lodis-keys" || !Array.isArray(file.keys)) {
    throw new Error('This JSON is no export of keys: it has to be {"format": "lodis-keys", "version": 1, "keys": […]}.');
  }
  if (file.version !== 1) throw new Error(`This file is of version ${String(file.version)}, and only version 1 is known here.`);
  return (file.keys as unknown[]).map((one, index) => written(one, `Key ${index + 1}`));
}

function written(one: unknown, where: string): Written {
  const { db, key: name, type, ttl, value } = (one ?? {}) as Partial<JsonKey>;
  if (db !== undefined && !(Number.isSafeInteger(db) && db >= 0)) throw new Error(`${where}: its db is no number of a database.`);
  const key = fromJson(name, `${where}: its name`);
  const write = typeof type === "string" && Object.hasOwn(WRITES, type) ? WRITES[type] : undefined;
  if (!write) throw new Error(`${where} has the type ${JSON.stringify(type)}, which is none of ${Object.keys(WRITES).join(", ")}.`);
  const isTime = ttl === null || ttl === undefined || (Number.isSafeInteger(ttl) && ttl >= 0);
  if (!isTime) throw new Error(`${where}: its ttl is neither a number of milliseconds nor null.`);
  const commands = write(key, value, where);
  // What would expire now lives for a moment.
  const timed: Command[] = typeof ttl === "number" ? [["PEXPIRE", key, Math.max(1, ttl)]] : [];
  return { db, key, commands: [["DEL", key], ...commands, ...timed] };
}

type Write = (key: Uint8Array, value: unknown, where: string) => Command[];

function arrayOf(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw new Error(`${where}: its value is no array of something.`);
  return value;
}

const all = (name: string): Write => (key, value, where) =>
  arrayOf(value, where).map((item, index): Command => [name, key, fromJson(item, `${where}, element ${index + 1}`)]);

const WRITES: Readonly<Record<string, Write>> = {
  string: (key, value, where) => [["SET", key, fromJson(value, `${where}: its value`)]],
  list: all("RPUSH"),
  set: all("SADD"),
  hash: (key, value, where) =>
    arrayOf(value, where).flatMap((item, index): Command[] => {
      const at = `${where}, field ${index + 1}`;
      const [name, text, ttl] = arrayOf(item, at);
      const field = fromJson(name, at);
      const set: Command = ["HSET", key, field, fromJson(text, at)];
      if (ttl === null || ttl === undefined) return [set];
      if (!Number.isSafeInteger(ttl)) throw new Error(`${at}: its ttl is neither a number of milliseconds nor null.`);
      return [set, ["HPEXPIRE", key, Math.max(1, Number(ttl)), "FIELDS", 1, field]];
    }),
  zset: (key, value, where) =>
    arrayOf(value, where).map((item, index): Command => {
      const at = `${where}, member ${index + 1}`;
      const [member, score] = arrayOf(item, at);
      const isScore = /^[+-]?inf$/.test(String(score)) || (String(score).trim() !== "" && Number.isFinite(Number(score)));
      if (!isScore) throw new Error(`${at}: its score is no number.`);
      return ["ZADD", key, String(score), fromJson(member, at)];
    }),
  stream: (key, value, where) =>
    arrayOf(value, where).map((item, index): Command => {
      const at = `${where}, entry ${index + 1}`;
      const [id, words] = arrayOf(item, at);
      const found = arrayOf(words, at).map((word) => fromJson(word, at));
      if (!/^\d+-\d+$/.test(String(id)) || found.length % 2 !== 0) throw new Error(`${at} is not [id, [field, value, …]].`);
      return ["XADD", key, String(id), ...found];
    }),
};
