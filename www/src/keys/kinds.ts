import { ascii, equal, read, shown, timeOf, wordsOf } from "./bytes.js";
import type { Command, Data } from "./data.js";
import type { Field } from "./dialog.js";

export const TYPES = ["string", "list", "hash", "set", "zset", "stream"] as const;

/** Elements of a collection are read so many at a time. */
const PAGE = 100;

type Values = Readonly<Record<string, string>>;

/** What changes a key. `check` sees whether the element is still what was shown. */
export interface Change {
  readonly commands: readonly Command[];
  readonly check?: (() => Promise<boolean>) | undefined;
}

export interface Row {
  /** Which element it is. */
  readonly id: string;
  readonly cells: readonly string[];
  readonly edit?: { readonly fields: readonly Field[]; readonly change: (values: Values) => Change };
  readonly remove: Change;
}

export interface Page {
  readonly rows: readonly Row[];
  /** Where the next page begins, if there is one. */
  readonly next?: string | undefined;
}

/** A collection type: how it is shown, and what can be done to it. */
export interface Kind {
  /** What its elements are called. */
  readonly one: string;
  readonly columns: readonly string[];
  readonly count: Command;
  page(from: string | undefined): Promise<Page>;
  readonly add: { readonly fields: readonly Field[]; readonly change: (values: Values) => Change };
}

export const QUOTES = 'Text as it is; bytes in quotes as in redis-cli: "\\x00\\n".';

const field = (name: string, label: string, more: Partial<Field> = {}): Field => ({ name, label, ...more });

export function kindOf(type: string, data: Data, key: Uint8Array): Kind | undefined {
  return KINDS[type]?.(data, key);
}

const KINDS: Readonly<Record<string, (data: Data, key: Uint8Array) => Kind>> = { list, hash, set, zset, stream };

/** The form with which a new key of a type begins. */
export function firstFields(type: string, data: Data): readonly Field[] {
  return type === "string" ? [field("value", "Value", { isLong: true, hint: QUOTES })] : (kindOf(type, data, new Uint8Array())?.add.fields ?? []);
}

/** The commands with which a new key of a type begins. */
export function firstCommands(type: string, data: Data, key: Uint8Array, values: Values): readonly Command[] {
  return type === "string" ? [["SET", key, read(values.value!)]] : kindOf(type, data, key)!.add.change(values).commands;
}

function list(data: Data, key: Uint8Array): Kind {
  const rowOf = (value: Uint8Array, index: number): Row => {
    const check = async (): Promise<boolean> => {
      const now = await data.ask("LINDEX", key, index);
      return now instanceof Uint8Array && equal(now, value);
    };
    // A list has no command that removes what is at an index: a value that is nowhere else is put there first.
    const marker = `lodis-removed-${crypto.randomUUID()}`;
    return {
      id: String(index),
      cells: [String(index), shown(value)],
      edit: {
        fields: [field("value", "Value", { value: shown(value, true), isLong: true, hint: QUOTES })],
        change: ({ value }) => ({ commands: [["LSET", key, index, read(value!)]], check }),
      },
      remove: { commands: [["LSET", key, index, marker], ["LREM", key, 1, marker]], check },
    };
  };
  return {
    one: "element",
    columns: ["Index", "Value"],
    count: ["LLEN", key],
    async page(from = "0") {
      const start = Number(from);
      const values = (await data.ask("LRANGE", key, start, start + PAGE)) as Uint8Array[];
      const rows = values.slice(0, PAGE).map((value, index) => rowOf(value, start + index));
      return { rows, next: values.length > PAGE ? String(start + PAGE) : undefined };
    },
    add: {
      fields: [
        field("value", "Value", { isLong: true, hint: QUOTES }),
        field("end", "Where", { options: [["RPUSH", "At the end (RPUSH)"], ["LPUSH", "At the beginning (LPUSH)"]] }),
      ],
      change: ({ value, end }) => ({ commands: [[end!, key, read(value!)]] }),
    },
  };
}

/** A time in seconds, as it is typed; undefined where none was. */
function millisecondsOf(text: string): number | undefined {
  if (text.trim() === "") return undefined;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds < 1e12)) throw new Error("The time to live is a number of seconds above 0, or empty for none.");
  return Math.round(seconds * 1000);
}

/** What sets the time to live of a key as it was typed. */
export function expiry(key: Uint8Array, text: string): Command {
  const ms = millisecondsOf(text);
  return ms === undefined ? ["PERSIST", key] : ["PEXPIRE", key, ms];
}

function hash(data: Data, key: Uint8Array): Kind {
  const set = (name: Uint8Array, { value, ttl }: Values): Change => {
    const ms = millisecondsOf(ttl!);
    const timed: Command[] = ms === undefined ? [] : [["HPEXPIRE", key, ms, "FIELDS", 1, name]];
    return { commands: [["HSET", key, name, read(value!)], ...timed] };
  };
  const ttl = (value = ""): Field => field("ttl", "Time to live of the field, in seconds", { value, hint: "Empty for none." });
  const rowOf = (name: Uint8Array, value: Uint8Array, ms: number): Row => ({
    id: shown(name),
    cells: [shown(name), shown(value), ms >= 0 ? timeOf(ms) : ""],
    edit: {
      fields: [field("value", "Value", { value: shown(value, true), isLong: true, hint: QUOTES }), ttl(ms >= 0 ? String(Math.ceil(ms / 1000)) : "")],
      change: (values) => set(name, values),
    },
    remove: { commands: [["HDEL", key, name]] },
  });
  return {
    one: "field",
    columns: ["Field", "Value", "TTL"],
    count: ["HLEN", key],
    async page(from = "0") {
      const [cursor, found] = (await data.ask("HSCAN", key, from, "COUNT", PAGE)) as [Uint8Array, Uint8Array[]];
      const names = found.filter((_, index) => index % 2 === 0);
      const left = names.length === 0 ? [] : ((await data.ask("HPTTL", key, "FIELDS", names.length, ...names)) as number[] | null);
      const rows = names.map((name, index) => rowOf(name, found[index * 2 + 1]!, left?.[index] ?? -1));
      return { rows, next: nextOf(cursor) };
    },
    add: {
      fields: [field("name", "Field", { hint: QUOTES }), field("value", "Value", { isLong: true }), ttl()],
      change: (values) => set(read(values.name!), values),
    },
  };
}

function set(data: Data, key: Uint8Array): Kind {
  const rowOf = (member: Uint8Array): Row => ({
    id: shown(member),
    cells: [shown(member)],
    edit: {
      fields: [field("member", "Member", { value: shown(member, true), isLong: true, hint: QUOTES })],
      change: (values) => ({ commands: [["SREM", key, member], ["SADD", key, read(values.member!)]] }),
    },
    remove: { commands: [["SREM", key, member]] },
  });
  return {
    one: "member",
    columns: ["Member"],
    count: ["SCARD", key],
    async page(from = "0") {
      const [cursor, members] = (await data.ask("SSCAN", key, from, "COUNT", PAGE)) as [Uint8Array, Uint8Array[]];
      return { rows: members.map(rowOf), next: nextOf(cursor) };
    },
    add: {
      fields: [field("member", "Member", { isLong: true, hint: QUOTES })],
      change: ({ member }) => ({ commands: [["SADD", key, read(member!)]] }),
    },
  };
}

function zset(data: Data, key: Uint8Array): Kind {
  const score = (value = ""): Field => field("score", "Score", { value, isRequired: true, hint: "A number, inf or -inf." });
  const rowOf = ([member, points]: [Uint8Array, number], rank: number): Row => {
    const text = scoreText(points);
    return {
      id: shown(member),
      cells: [String(rank), text, shown(member)],
      edit: { fields: [score(text)], change: (values) => ({ commands: [["ZADD", key, values.score!.trim(), member]] }) },
      remove: { commands: [["ZREM", key, member]] },
    };
  };
  return {
    one: "member",
    columns: ["Rank", "Score", "Member"],
    count: ["ZCARD", key],
    async page(from = "0") {
      const start = Number(from);
      const found = (await data.ask("ZRANGE", key, start, start + PAGE, "WITHSCORES")) as [Uint8Array, number][];
      const rows = found.slice(0, PAGE).map((one, index) => rowOf(one, start + index));
      return { rows, next: found.length > PAGE ? String(start + PAGE) : undefined };
    },
    add: {
      fields: [field("member", "Member", { hint: QUOTES }), score()],
      change: ({ member, score }) => ({ commands: [["ZADD", key, score!.trim(), read(member!)]] }),
    },
  };
}

/** A score as Redis writes it. */
export function scoreText(score: number): string {
  return Number.isFinite(score) ? String(score) : score > 0 ? "inf" : "-inf";
}

function stream(data: Data, key: Uint8Array): Kind {
  const rowOf = ([id, words]: [Uint8Array, Uint8Array[]]): Row => ({
    id: ascii(id),
    cells: [ascii(id), words.map((word, index) => shown(word) + (index % 2 === 0 ? ": " : index < words.length - 1 ? ", " : "")).join("")],
    remove: { commands: [["XDEL", key, id]] },
  });
  return {
    one: "entry",
    columns: ["ID", "Fields"],
    count: ["XLEN", key],
    async page(from = "-") {
      const entries = (await data.ask("XRANGE", key, from, "+", "COUNT", PAGE + 1)) as [Uint8Array, Uint8Array[]][];
      const next = entries[PAGE];
      return { rows: entries.slice(0, PAGE).map(rowOf), next: next && ascii(next[0]) };
    },
    add: {
      fields: [
        field("fields", "Fields and values", { isLong: true, isRequired: true, hint: 'In turn, as redis-cli takes them: name "Eve Moss" age 30' }),
        field("id", "ID", { value: "*", isRequired: true, hint: "* has the server choose one." }),
      ],
      change: ({ fields, id }) => {
        const words = wordsOf(fields!);
        if (words.length === 0 || words.length % 2 !== 0) throw new Error("Every field needs a value: name Eve age 30.");
        return { commands: [["XADD", key, id!.trim(), ...words]] };
      },
    },
  };
}

function nextOf(cursor: Uint8Array): string | undefined {
  return ascii(cursor) === "0" ? undefined : ascii(cursor);
}
