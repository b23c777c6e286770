// What a bridge lets through: commands that change keys with the prefix, and nothing else. Which keys a
// command has, the engine's own table says.
import { open } from "../node.js";
import type { Words } from "../upstream/link.js";
import { textOf } from "../upstream/wire.js";

/** Commands that write, but reach beyond the keys that they name: other databases, servers, patterns. */
const REACHING = new Set(["move", "migrate", "sort", "swapdb", "flushall", "flushdb"]);
/** Those of which any part is the whole: with keys of several slots they are taken apart. */
const DIVISIBLE = new Map([
  ["del", 1],
  ["unlink", 1],
  ["mset", 2],
]);

/** Knows the commands. */
export interface CommandTable {
  /** The keys of a command that may be sent; text that says why not. */
  keysOf(command: Words, prefix: Uint8Array): Words | string;
  close(): Promise<void>;
}

/** The table. */
export async function commandTable(): Promise<CommandTable> {
  const redis = await open("bridge", { store: "memory" });
  const table = redis.sync.call("COMMAND") as [name: string, arity: number, flags: string[]][];
  const writes = new Set(table.filter(([, , flags]) => flags.includes("write")).map(([name]) => name));
  const keysOf = (command: Words, prefix: Uint8Array): Words | string => {
    const name = textOf(command[0]).toLowerCase();
    const isOther = name === "copy" && command.length > 4 && textOf(command[3]).toLowerCase() === "db";
    if (!writes.has(name) || REACHING.has(name) || isOther) return `NOPERM the bridge does not pass ${name.toUpperCase()} on`;
    let keys: Words;
    try {
      keys = redis.sync.bytes.call("COMMAND", "GETKEYS", ...command) as unknown as Words;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    const isInside = (key: Uint8Array): boolean => prefix.every((byte, index) => key[index] === byte);
    return keys.every(isInside) ? keys : "NOPERM a key is outside of the prefix";
  };
  return { keysOf, close: () => redis.close() };
}

/** A command in parts, each with keys of one slot; undefined if that cannot be. */
export function inSlots(command: Words, keys: Words, slotOf: (key: Uint8Array) => number): Map<number, Words> | undefined {
  const slots = new Set(keys.map(slotOf));
  if (slots.size === 1) return new Map([[slots.values().next().value!, command]]);
  const step = DIVISIBLE.get(textOf(command[0]).toLowerCase());
  if (step === undefined) return undefined;
  const parts = new Map<number, Uint8Array[]>();
  for (let at = 1; at < command.length; at += step) {
    const slot = slotOf(command[at]!);
    const part = parts.get(slot) ?? [command[0]!];
    part.push(...command.slice(at, at + step));
    parts.set(slot, part);
  }
  return parts;
}

/** The slot of a key in a cluster: CRC16 (XMODEM) of what is between its first braces, if there is something. */
export function slotOf(key: Uint8Array): number {
  const open = key.indexOf(123);
  const close = open < 0 ? -1 : key.indexOf(125, open + 1);
  const hashed = close > open + 1 ? key.subarray(open + 1, close) : key;
  let crc = 0;
  for (const byte of hashed) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16_384;
}
