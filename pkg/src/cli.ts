#!/usr/bin/env node
// The command `lodis`.
import { BRIDGE_USAGE, bridgeCommand } from "./bridge/cli.js";
import { cliCommand } from "./cli/command.js";
import { USAGE as CLI } from "./cli/options.js";
import { explained, serveCommand, USAGE as SERVE } from "./serve/command.js";
import { ConfigError } from "./serve/conf.js";
import { version } from "./version.js";

const USAGE = `usage: lodis <command> [options]

  lodis serve     a Redis server in this process
  lodis bridge    lets pages use a Redis as their upstream, by WebSockets
  lodis cli       a command line for a server, or for data in this process
  lodis --version the version of the package

"lodis <command> --help" tells of its options.`;

/** The commands, each with what it says of itself. */
const COMMANDS: Readonly<Record<string, { run: (words: string[]) => Promise<void>; usage: string }>> = {
  serve: { run: serveCommand, usage: SERVE },
  bridge: { run: bridgeCommand, usage: BRIDGE_USAGE },
  cli: { run: cliCommand, usage: CLI },
};

async function main([name, ...words]: string[]): Promise<void> {
  if (name === "-h" || name === "--help") return console.log(USAGE);
  if (name === "-v" || name === "--version") return console.log(version());
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    const mistake = name === undefined ? "a command is missing" : `unknown command "${name}"`;
    console.error(`lodis: ${mistake}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (words[0] === "--help" || (words[0] === "-h" && words.length === 1)) return console.log(command.usage);
  if (words.length === 1 && ["--version", "-v"].includes(words[0]!)) return console.log(version());
  await command.run(words);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error instanceof ConfigError && error.message.startsWith("\n") ? error.message : `lodis: ${explained(error)}`);
  process.exitCode = 1;
});
