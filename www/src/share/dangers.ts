import { split } from "lodis/terminal";

const SCRIPT = "runs a script, which may call anything";

/** What may do harm to the data of whoever runs it, and how. */
const DANGERS = new Map<string, string>([
  ["flushall", "deletes every key of every database"],
  ["flushdb", "deletes every key of the database"],
  ["swapdb", "swaps two whole databases"],
  ...["del", "unlink", "getdel"].map((name) => [name, "deletes keys"] as const),
  ...["expire", "pexpire", "expireat", "pexpireat"].map((name) => [name, "has a key deleted, now or later"] as const),
  ...["rename", "restore", "copy", "move"].map((name) => [name, "may put something else in place of a key, or take it away"] as const),
  ["migrate", "sends keys elsewhere"],
  ["shutdown", "stops the store"],
  ["debug", "reaches into the inside of the store"],
  ["failover", "changes who leads"],
  ["replicaof", "replaces all data by that of another server"],
  ["slaveof", "replaces all data by that of another server"],
  ["monitor", "shows every command that anybody runs"],
  ...["eval", "evalsha", "fcall"].map((name) => [name, SCRIPT] as const),
  ["config set", "changes settings"],
  ["config rewrite", "changes settings for good"],
  ["config resetstat", "forgets the statistics"],
  ...["acl setuser", "acl deluser", "acl load"].map((name) => [name, "changes who may do what"] as const),
  ...["client kill", "client pause", "client no-evict"].map((name) => [name, "disturbs other clients"] as const),
  ...["script flush", "function flush", "function delete", "function restore", "function load"].map((name) => [name, "changes the scripts that are there"] as const),
  ["latency reset", "forgets what was measured"],
  ["slowlog reset", "forgets the slow log"],
]);

/** What harm a command may do to the data of whoever runs it; undefined if none is known of. */
export function dangerOf(command: string): string | undefined {
  const decoder = new TextDecoder();
  const words = (split(command) ?? []).map((word) => decoder.decode(word).toLowerCase());
  // `3 DEL …` runs it so many times.
  const [name = "", next = ""] = /^\d+$/.test(words[0] ?? "") ? words.slice(1) : words;
  return DANGERS.get(name) ?? DANGERS.get(`${name} ${next}`);
}
