import { ascii, shown } from "./bytes.js";
import { scoreText } from "./kinds.js";
import type { Command, Data } from "./data.js";
import type { Query } from "./search.js";
import { nextTask, scan } from "./search.js";

/** Text, or bytes that are no UTF-8. */
type Bytes = string | { readonly base64: string };

/** A key in a file of JSON. */
export interface JsonKey {
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

/** A file: keys of one database. */
export interface JsonFile {
  readonly format: "lodis-keys";
  readonly version: 1;
  readonly keys: readonly JsonKey[];
}

/** So many keys are read or written together. */
const SLICE = 50;
const HEAD = '{"format":"lodis-keys","version":1,"keys":[\n';

export interface Progress {
  readonly onProgress: (done: number) => void;
  readonly signal: AbortSignal;
}

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

/** All keys of the database that a search finds, as a file. Consumer groups of streams are not in it. */
export async function exportJson(data: Data, query: Query, { onProgress, signal }: Progress): Promise<Blob> {
  const total = Number(await data.ask("DBSIZE"));
  const parts: string[] = [];
  const seen = new Set<string>();
  let read = 0;
  for await (const { keys } of scan(data, query)) {
    for (let at = 0; at < keys.length; at += SLICE) {
      signal.throwIfAborted();
      const some = keys.slice(at, at + SLICE).filter((key) => {
        const id = shown(key);
        return seen.size !== seen.add(id).size;
      });
      parts.push(...(await jsonOf(data, some)).map((one) => JSON.stringify(one)));
      read += some.length;
      onProgress(Math.min(0.99, read / Math.max(total, 1)));
    }
    signal.throwIfAborted();
  }
  return new Blob([HEAD, parts.join(",\n"), "\n]}\n"], { type: "application/json" });
}

async function jsonOf(data: Data, keys: readonly Uint8Array[]): Promise<JsonKey[]> {
  const types = (await data.run(keys.map((key): Command => ["TYPE", key]))).map(ascii);
  const known = keys.map((key, index) => ({ key, type: types[index]! })).filter(({ type }) => type in READS);
  // What is read of one key is of one moment.
  const commands = known.flatMap(({ key, type }): Command[] => [READS[type]!(key), ["PTTL", key]]);
  if (commands.length === 0) return [];
  const answers = await data.transaction(commands);
  const found: JsonKey[] = [];
  for (const [index, { key, type }] of known.entries()) {
    const [value, ttl] = [answers[index * 2], Number(answers[index * 2 + 1])];
    if (ttl === -2) continue; // It has gone meanwhile.
    found.push({ key: toJson(key), type, ttl: ttl >= 0 ? ttl : null, value: await valueOf(data, key, type, value) });
  }
  return found;
}

async function valueOf(data: Data, key: Uint8Array, type: string, value: unknown): Promise<unknown> {
  if (type === "string") return toJson(value);
  if (type === "zset") return (value as [Uint8Array, number][]).map(([member, score]) => [toJson(member), scoreText(score)]);
  if (type === "stream") return (value as [Uint8Array, Uint8Array[]][]).map(([id, words]) => [ascii(id), words.map(toJson)]);
  if (type !== "hash") return (value as Uint8Array[]).map(toJson);
  const flat = (value as [Uint8Array, Uint8Array[]])[1];
  const names = flat.filter((_, index) => index % 2 === 0);
  const left = (names.length > 0 && ((await data.ask("HPTTL", key, "FIELDS", names.length, ...names)) as number[] | null)) || [];
  return names.map((name, index) => [toJson(name), toJson(flat[index * 2 + 1]), (left[index] ?? -1) >= 0 ? left[index] : null]);
}

/** What writes one key. */
export interface Written {
  readonly key: Uint8Array;
  readonly commands: readonly Command[];
}

/** Reads a file, all of it; throws, with what is wrong and where, before anything is written. */
export function parseJson(text: string): Written[] {
  let file: Partial<JsonFile> | null;
  try {
    file = JSON.parse(text) as Partial<JsonFile> | null;
  } catch (error) {
    throw new Error(`This is no JSON: ${(error as Error).message}`);
  }
  if (file?.format !== "lodis-keys" || !Array.isArray(file.keys)) {
    throw new Error('This JSON is no export of keys: it has to be {"format": "lodis-keys", "version": 1, "keys": […]}.');
  }
  if (file.version !== 1) throw new Error(`This file is of version ${String(file.version)}, and only version 1 is known here.`);
  return (file.keys as unknown[]).map((one, index) => written(one, `Key ${index + 1}`));
}

function written(one: unknown, where: string): Written {
  const { key: name, type, ttl, value } = (one ?? {}) as Partial<JsonKey>;
  const key = fromJson(name, `${where}: its name`);
  const write = typeof type === "string" && Object.hasOwn(WRITES, type) ? WRITES[type] : undefined;
  if (!write) throw new Error(`${where} has the type ${JSON.stringify(type)}, which is none of ${Object.keys(WRITES).join(", ")}.`);
  const isTime = ttl === null || ttl === undefined || (Number.isSafeInteger(ttl) && ttl >= 0);
  if (!isTime) throw new Error(`${where}: its ttl is neither a number of milliseconds nor null.`);
  const commands = write(key, value, where);
  // What would expire now lives for a moment.
  return { key, commands: typeof ttl === "number" ? [...commands, ["PEXPIRE", key, Math.max(1, ttl)]] : commands };
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

/** Writes keys; answers how many were left as they were, or could not be written. */
export async function importJson(data: Data, keys: readonly Written[], replace: boolean, { onProgress, signal }: Progress): Promise<{ written: number; kept: number }> {
  let kept = 0;
  for (const [index, { key, commands }] of keys.entries()) {
    signal.throwIfAborted();
    if (!replace && Number(await data.ask("EXISTS", key)) > 0) kept++;
    else await data.transaction([["DEL", key], ...commands]);
    if (index % SLICE === 0) {
      onProgress(index / keys.length);
      await nextTask();
    }
  }
  return { written: keys.length - kept, kept };
}
