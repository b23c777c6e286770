import { ascii, equal, read, shown } from "./bytes.js";
import type { Change, Command, Data, Inverse } from "./data.js";
import type { Field } from "./dialog.js";
import { brief, idOf } from "./formats.js";
import { nextTask } from "./search.js";
import { stream } from "./stream.js";

export const TYPES = ["string", "list", "hash", "set", "zset", "stream"] as const;

/** So many elements are looked at together where only some of them are wanted. */
const LOOK = 1000;
/** What is longer is not edited in a form. */
export const EDITED = 64 * 1024;

export type Values = Readonly<Record<string, string>>;

/** A text, or a time in milliseconds since 1970 until which there is some left. */
export type Cell = string | { readonly until: number };

export interface Row {
  /** Which element it is. */
  readonly id: string;
  readonly cells: readonly Cell[];
  /** What it holds. */
  readonly value?: Uint8Array;
  readonly edit?: { readonly fields: () => readonly Field[]; readonly change: (values: Values) => Change };
  readonly remove: Change;
}

export interface Page {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** Where the next page begins, if there is one. */
  readonly next?: string | undefined;
  /** In which of its orders it is. */
  readonly order?: string;
}

/** What of a collection is shown. */
export interface Look {
  /** Where the page begins; the first one without. */
  readonly from?: string | undefined;
  /** How many elements, about. */
  readonly size: number;
  /** Only what matches. */
  readonly match?: Uint8Array | undefined;
  readonly order?: string | undefined;
}

export interface Form {
  readonly fields: readonly Field[];
  readonly change: (values: Values) => Change;
}

/** A collection type: how it is shown, and what can be done to it. */
export interface Kind {
  /** What its elements are called: one, and several. */
  readonly names: readonly [one: string, many: string];
  readonly count: Command;
  /** What can be searched for. */
  readonly searched?: string;
  readonly orders?: readonly (readonly [order: string, name: string])[];
  page(look: Look): Promise<Page>;
  /** Adds an element; in this order. */
  add(order?: string): Form;
}

export const QUOTES = 'Text as it is; bytes in quotes as in redis-cli: "\\x00\\n".';

export const field = (name: string, label: string, more: Partial<Field> = {}): Field => ({ name, label, ...more });

export function kindOf(type: string, data: Data, key: Uint8Array): Kind | undefined {
  return KINDS[type]?.(data, key);
}

const KINDS: Readonly<Record<string, (data: Data, key: Uint8Array) => Kind>> = { list, hash, set, zset, stream };

/** The form with which a new key of a type begins. */
export function firstFields(type: string, data: Data): readonly Field[] {
  return type === "string" ? [field("value", "Value", { isLong: true, hint: QUOTES })] : (kindOf(type, data, new Uint8Array())?.add().fields ?? []);
}

/** The commands with which a new key of a type begins. */
export function firstCommands(type: string, data: Data, key: Uint8Array, values: Values): readonly Command[] {
  return type === "string" ? [["SET", key, read(values.value!)]] : kindOf(type, data, key)!.add().change(values).commands;
}

/** What a scan of a collection finds from a cursor on: about so many elements of `words` words. */
async function scanned(data: Data, name: string, key: Uint8Array, { from = "0", size, match }: Look, words: number): Promise<{ found: Uint8Array[]; next: string | undefined }> {
  const { db } = data;
  const found: Uint8Array[] = [];
  let cursor = from;
  do {
    const more: Command = match ? [name, key, cursor, "MATCH", match, "COUNT", LOOK] : [name, key, cursor, "COUNT", size];
    const [[next, some]] = (await data.run([more], db)) as [[Uint8Array, Uint8Array[]]];
    cursor = ascii(next);
    found.push(...some);
    await nextTask();
  } while (cursor !== "0" && found.length < (match ? size * words : 1));
  return { found, next: cursor === "0" ? undefined : cursor };
}

function list(data: Data, key: Uint8Array): Kind {
  const rowOf = (value: Uint8Array, index: number): Row => {
    const check = async (): Promise<boolean> => {
      const now = await data.ask("LINDEX", key, index);
      return now instanceof Uint8Array && equal(now, value);
    };
    // A list has no command that removes what is at an index: a value that is nowhere else is put there first.
    const marker = `lodis-removed-${crypto.randomUUID()}`;
    const edit = {
      fields: () => [field("value", "Value", { value: shown(value, true), isLong: true, hint: QUOTES })],
      change: ({ value }: Values) => ({
        commands: [["LSET", key, index, read(value!)] as const],
        check,
        inverse: { reads: [["LINDEX", key, index] as const], undoes: ([was]: readonly unknown[]) => [["LSET", key, index, was as Uint8Array] as const] },
      }),
    };
    // Put in before the one that is there now.
    const inverse: Inverse = {
      reads: [["LINDEX", key, index]],
      undoes: ([was], [now]) =>
        now === null
          ? [["RPUSH", key, was as Uint8Array]]
          : [["LSET", key, index, marker], ["LINSERT", key, "BEFORE", marker, was as Uint8Array], ["LSET", key, index + 1, now as Uint8Array]],
    };
    return {
      id: String(index),
      cells: [String(index), brief(value)],
      value,
      ...(value.length > EDITED ? {} : { edit }),
      remove: { commands: [["LSET", key, index, marker], ["LREM", key, 1, marker]], check, inverse },
    };
  };
  return {
    names: ["element", "elements"],
    count: ["LLEN", key],
    async page({ from = "0", size }) {
      const start = Number(from);
      const values = (await data.ask("LRANGE", key, start, start + size)) as Uint8Array[];
      const rows = values.slice(0, size).map((value, index) => rowOf(value, start + index));
      return { columns: ["Index", "Value"], rows, next: values.length > size ? String(start + size) : undefined };
    },
    add: () => ({
      fields: [
        field("value", "Value", { isLong: true, hint: QUOTES }),
        field("end", "Where", { options: [["RPUSH", "At the end (RPUSH)"], ["LPUSH", "At the beginning (LPUSH)"]] }),
      ],
      change: ({ value, end }) => ({
        commands: [[end!, key, read(value!)]],
        inverse: { reads: [["LLEN", key]], undoes: () => [[end === "LPUSH" ? "LPOP" : "RPOP", key]] },
      }),
    }),
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
  const inverse = (name: Uint8Array): Inverse => ({
    reads: [["HGET", key, name], ["HPEXPIRETIME", key, "FIELDS", 1, name]],
    undoes: ([value, until]) => {
      if (value === null) return [["HDEL", key, name]];
      const at = (until as number[])[0]!;
      return [["HSET", key, name, value as Uint8Array], ...(at > 0 ? [["HPEXPIREAT", key, at, "FIELDS", 1, name] as const] : [])];
    },
  });
  const set = (name: Uint8Array, { value, ttl }: Values): Change => {
    const ms = millisecondsOf(ttl!);
    const timed: Command[] = ms === undefined ? [] : [["HPEXPIRE", key, ms, "FIELDS", 1, name]];
    return { commands: [["HSET", key, name, read(value!)], ...timed], inverse: inverse(name) };
  };
  const ttl = (value = ""): Field => field("ttl", "Time to live of the field, in seconds", { value, hint: "Empty for none." });
  const rowOf = (name: Uint8Array, value: Uint8Array, until: number): Row => {
    const left = (): string => (until > 0 ? String(Math.max(1, Math.ceil((until - Date.now()) / 1000))) : "");
    const edit = {
      fields: () => [field("value", "Value", { value: shown(value, true), isLong: true, hint: QUOTES }), ttl(left())],
      change: (values: Values) => ({ ...set(name, values), check }),
    };
    const check = async (): Promise<boolean> => {
      const now = await data.ask("HGET", key, name);
      return now instanceof Uint8Array && equal(now, value);
    };
    return {
      id: idOf(name),
      cells: [brief(name), brief(value), until > 0 ? { until } : ""],
      value,
      ...(value.length > EDITED ? {} : { edit }),
      remove: { commands: [["HDEL", key, name]], inverse: inverse(name) },
    };
  };
  return {
    names: ["field", "fields"],
    count: ["HLEN", key],
    searched: "Fields",
    async page(look) {
      const { found, next } = await scanned(data, "HSCAN", key, look, 2);
      const names = found.filter((_, index) => index % 2 === 0);
      const until = names.length === 0 ? [] : ((await data.ask("HPEXPIRETIME", key, "FIELDS", names.length, ...names)) as number[] | null);
      return { columns: ["Field", "Value", "TTL"], rows: names.map((name, index) => rowOf(name, found[index * 2 + 1]!, until?.[index] ?? -1)), next };
    },
    add: () => ({
      fields: [field("name", "Field", { hint: QUOTES }), field("value", "Value", { isLong: true }), ttl()],
      change: (values) => set(read(values.name!), values),
    }),
  };
}

function set(data: Data, key: Uint8Array): Kind {
  const inverse = (...members: Uint8Array[]): Inverse => ({
    reads: members.map((member) => ["SISMEMBER", key, member]),
    undoes: (before) => members.map((member, index) => [before[index] === 1 ? "SADD" : "SREM", key, member]),
  });
  const rowOf = (member: Uint8Array): Row => {
    const edit = {
      fields: () => [field("member", "Member", { value: shown(member, true), isLong: true, hint: QUOTES })],
      change: (values: Values): Change => {
        const other = read(values.member!);
        return { commands: [["SREM", key, member], ["SADD", key, other]], inverse: inverse(member, other) };
      },
    };
    return { id: idOf(member), cells: [brief(member)], value: member, ...(member.length > EDITED ? {} : { edit }), remove: { commands: [["SREM", key, member]], inverse: inverse(member) } };
  };
  return {
    names: ["member", "members"],
    count: ["SCARD", key],
    searched: "Members",
    async page(look) {
      const { found, next } = await scanned(data, "SSCAN", key, look, 1);
      return { columns: ["Member"], rows: found.map(rowOf), next };
    },
    add: () => ({
      fields: [field("member", "Member", { isLong: true, hint: QUOTES })],
      change: ({ member }) => ({ commands: [["SADD", key, read(member!)]], inverse: inverse(read(member!)) }),
    }),
  };
}

/** A member with its score, and its place in the order. */
type Scored = readonly [member: Uint8Array, score: number, rank: number];

/** Positions have scores of 52 bits; smaller ones would all be near the south pole. */
function isPosition([, score]: Scored): boolean {
  return Number.isSafeInteger(score) && score >= 2 ** 40 && score < 2 ** 52;
}

function zset(data: Data, key: Uint8Array): Kind {
  const score = (value = ""): Field => field("score", "Score", { value, isRequired: true, hint: "A number, inf or -inf." });
  const place = (longitude = "", latitude = ""): Field[] => [
    field("longitude", "Longitude", { value: longitude, isRequired: true, hint: "From -180 to 180." }),
    field("latitude", "Latitude", { value: latitude, isRequired: true, hint: "From -85.05112878 to 85.05112878." }),
  ];
  const inverse = (member: Uint8Array): Inverse => ({
    reads: [["ZSCORE", key, member]],
    undoes: ([was]) => [was === null ? ["ZREM", key, member] : ["ZADD", key, scoreText(was as number), member]],
  });
  const scored = (score: string, member: Uint8Array): Change => ({ commands: [["ZADD", key, score.trim(), member]], inverse: inverse(member) });
  const placed = ({ longitude, latitude }: Values, member: Uint8Array): Change => ({
    commands: [["GEOADD", key, longitude!.trim(), latitude!.trim(), member]],
    inverse: inverse(member),
  });
  const scoredRow = ([member, points, rank]: Scored): Row => ({
    id: idOf(member),
    cells: [String(rank), scoreText(points), brief(member)],
    value: member,
    edit: { fields: () => [score(scoreText(points))], change: (values) => scored(values.score!, member) },
    remove: { commands: [["ZREM", key, member]], inverse: inverse(member) },
  });
  const placedRow = ([member]: Scored, at: readonly [number, number] | null): Row => {
    const [longitude, latitude] = at?.map((degrees) => String(Number(degrees.toFixed(6)))) ?? ["", ""];
    return {
      id: idOf(member),
      cells: [brief(member), longitude!, latitude!],
      value: member,
      edit: { fields: () => place(longitude, latitude), change: (values) => placed(values, member) },
      remove: { commands: [["ZREM", key, member]], inverse: inverse(member) },
    };
  };
  const scoredPage = async (look: Look): Promise<{ found: Scored[]; next: string | undefined }> => {
    const { from = "0", size, match, order } = look;
    if (match) {
      const { found, next } = await scanned(data, "ZSCAN", key, look, 2);
      const members = found.filter((_, index) => index % 2 === 0);
      const ranks = await data.run(members.map((member): Command => [order === "desc" ? "ZREVRANK" : "ZRANK", key, member]));
      return { found: members.map((member, index) => [member, Number(ascii(found[index * 2 + 1])), Number(ranks[index])]), next };
    }
    const start = Number(from);
    const words: Command = ["ZRANGE", key, start, start + size, ...(order === "desc" ? ["REV"] : []), "WITHSCORES"];
    const found = (await data.ask(...words)) as [Uint8Array, number][];
    return { found: found.slice(0, size).map(([member, points], index) => [member, points, start + index]), next: found.length > size ? String(start + size) : undefined };
  };
  return {
    names: ["member", "members"],
    count: ["ZCARD", key],
    searched: "Members",
    orders: [["asc", "Lowest score first"], ["desc", "Highest score first"], ["geo", "As positions (GEO)"]],
    async page(look) {
      const { found, next } = await scoredPage(look);
      const order = look.order ?? (found.length > 0 && found.every(isPosition) ? "geo" : "asc");
      if (order !== "geo") return { columns: ["Rank", "Score", "Member"], rows: found.map(scoredRow), next, order };
      const places = found.length === 0 ? [] : ((await data.ask("GEOPOS", key, ...found.map(([member]) => member))) as ([number, number] | null)[]);
      return { columns: ["Member", "Longitude", "Latitude"], rows: found.map((one, index) => placedRow(one, places[index] ?? null)), next, order };
    },
    add: (order) =>
      order === "geo"
        ? {
            fields: [field("member", "Member", { hint: QUOTES }), ...place()],
            change: (values) => placed(values, read(values.member!)),
          }
        : {
            fields: [field("member", "Member", { hint: QUOTES }), score()],
            change: ({ member, score }) => scored(score!, read(member!)),
          },
  };
}

/** A score as Redis writes it. */
export function scoreText(score: number): string {
  return Number.isFinite(score) ? String(score) : score > 0 ? "inf" : "-inf";
}
