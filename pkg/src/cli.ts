#!/usr/bin/env node
// The command `lodis`. `lodis serve` is all it does so far.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { MEMORY_SIZE, POLICIES } from "./options.js";
import { serve } from "./serve.js";

const USAGE = `usage: lodis serve [options]

A Redis server (RESP2 and RESP3) in this process. Without --dir, data is kept in memory only.

  --port <port>        port to listen on, 0 for any free one (6379)
  --host <address>     address to listen on (127.0.0.1)
  --databases <count>  number of databases, 1 to 16384 (16)
  --maxmemory <size>   memory that may be used, as 100mb, 0 for no limit (0)
  --maxmemory-policy <policy>
                       which keys go when more would be used (noeviction)
  --requirepass <password>
                       what clients have to authenticate with
  --user <rules>       a user, as "alice on >secret ~app:* +@read"; any number
  --rename-command <old> <new>
                       another name for a command, "" for none; any number
  --protected-mode <yes|no>
                       whether clients of other machines need a password (yes)
  --dir <path>         directory in which the data is kept
  --appendonly <yes|no>
                       whether writes are recorded there (yes)
  --appendfsync <always|everysec|no>
                       when they are on the disk (everysec)
  --enable-debug-command <no|local|yes>
                       who may use DEBUG (no)
  --help               show this
  --version            show the version`;

const DEBUG = ["no", "local", "yes"] as const;
const FSYNCS = ["always", "everysec", "no"] as const;

/** What was asked for cannot be understood: exit code 2. */
class UsageError extends Error {}

async function main(words: string[]): Promise<void> {
  const [renameCommand, others] = takeRenames(words);
  const { values, positionals } = read(others);
  if (values.help) return console.log(USAGE);
  if (values.version) return console.log(await version());
  const [command, ...rest] = positionals;
  if (command === undefined) throw new UsageError("a command is missing");
  if (command !== "serve") throw new UsageError(`unknown command "${command}"`);
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
  const server = await serve({
    host: values.host ?? "127.0.0.1",
    port: numberOf("--port", values.port ?? "6379", 0, 65535),
    databases: numberOf("--databases", values.databases ?? "16", 1, 16384),
    maxmemory: sizeOf("--maxmemory", values.maxmemory ?? "0"),
    requirepass: values.requirepass,
    users: values.user ?? [],
    renameCommand,
    protectedMode: oneOf("--protected-mode", values["protected-mode"] ?? "yes", ["yes", "no"] as const) === "yes",
    dir: dirOf(values.dir, values.appendonly ?? values.appendfsync),
    appendOnly: oneOf("--appendonly", values.appendonly ?? "yes", ["yes", "no"] as const) === "yes",
    appendFsync: oneOf("--appendfsync", values.appendfsync ?? "everysec", FSYNCS),
    onNotice: (text) => console.error(`lodis: ${text}`),
    onShutdown: () => stop(),
    enableDebugCommand: oneOf("--enable-debug-command", values["enable-debug-command"] ?? "no", DEBUG),
    maxmemoryPolicy: oneOf("--maxmemory-policy", values["maxmemory-policy"] ?? "noeviction", POLICIES),
  });
  console.log(`lodis is listening on ${server.address}`);
  const stop = (): void => {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    void server.close();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
}

function read(words: string[]) {
  try {
    return parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        port: { type: "string" },
        host: { type: "string" },
        databases: { type: "string" },
        maxmemory: { type: "string" },
        "maxmemory-policy": { type: "string" },
        requirepass: { type: "string" },
        user: { type: "string", multiple: true },
        "protected-mode": { type: "string" },
        dir: { type: "string" },
        appendonly: { type: "string" },
        appendfsync: { type: "string" },
        "enable-debug-command": { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean", short: "v" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Takes `--rename-command old new` out of the words. */
function takeRenames(words: string[]): [Record<string, string>, string[]] {
  const renames: Record<string, string> = {};
  const others = [...words];
  for (;;) {
    const at = others.indexOf("--rename-command");
    if (at < 0) return [renames, others];
    const [, old, name] = others.splice(at, 3);
    if (old === undefined || name === undefined) throw new UsageError("--rename-command takes two names");
    renames[old] = name;
  }
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value < least || value > most) {
    throw new UsageError(`${option} is a number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}

function sizeOf(option: string, text: string): string {
  if (MEMORY_SIZE.test(text)) return text;
  throw new UsageError(`${option} is a size like 100mb, not "${text}"`);
}

function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found === undefined) throw new UsageError(`${option} is one of ${allowed.join(", ")}, not "${text}"`);
  return found;
}

function dirOf(dir: string | undefined, needsIt: string | undefined): string | undefined {
  if (dir === "") throw new UsageError("--dir is a path");
  if (dir === undefined && needsIt !== undefined) {
    throw new UsageError("--appendonly and --appendfsync need a --dir");
  }
  return dir;
}

async function version(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Node's own words for the two mistakes that everybody makes, in clearer ones. */
function explained(error: NodeJS.ErrnoException): string {
  const { address, port } = error as { address?: string; port?: number };
  if (error.code === "EADDRINUSE") {
    return `${address}:${port} is in use; choose another with --port`;
  }
  if (error.code === "EACCES") return `not allowed to listen on ${address}:${port}`;
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return "--host is not an address of this machine";
  }
  return error.message;
}

main(process.argv.slice(2)).catch((error: Error) => {
  if (error instanceof UsageError) console.error(`lodis: ${error.message}\n\n${USAGE}`);
  else console.error(`lodis: ${explained(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
