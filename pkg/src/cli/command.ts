// `lodis cli` on the command line.
import { split } from "../terminal/quoting.js";
import { bigKeys, hotKeys } from "./keys.js";
import { type Target, targetOf } from "./link.js";
import { evalWords, pipeAll, scanAll } from "./modes.js";
import { type CliOptions, optionsOf, type Task, UsageError } from "./options.js";
import { saveRdb } from "./rdb.js";
import { readLines } from "./repl.js";
import { type Outputs, Session } from "./session.js";
import { showLatency, showStat } from "./watching.js";

/** Writes to the process; characters are bytes. */
const PROCESS: Outputs = {
  write: (text) => void process.stdout.write(Buffer.from(text, "latin1")),
  complain: (text) => void process.stderr.write(Buffer.from(text, "latin1")),
};

const WARNING =
  "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n";

/** Runs what the words say, and sets the exit code. */
export async function cliCommand(words: readonly string[]): Promise<void> {
  let options: CliOptions;
  try {
    options = optionsOf(words, process.stdout.isTTY === true);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    PROCESS.complain(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  if (options.isTold) PROCESS.complain(WARNING);
  // Who reads no more has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  const target = await targetOf(options);
  try {
    process.exitCode = await run(options, target);
  } catch (error) {
    if (error instanceof UsageError) PROCESS.complain(`${error.message}\n`);
    else PROCESS.complain(`Error: ${(error as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    await target.close();
  }
}

async function run(options: CliOptions, target: Target): Promise<number> {
  const session = new Session(target, options, PROCESS);
  try {
    if (options.task !== undefined) return await perform(options.task, session, options, target);
    const words = await wordsOf(options);
    if (words.length > 0) return await repeat(session, words, options);
    return await readLines(session, options, PROCESS);
  } finally {
    session.interrupt();
  }
}

function perform(task: Task, session: Session, options: CliOptions, target: Target): Promise<number> {
  switch (task) {
    case "scan":
      return scanAll(session, options, PROCESS);
    case "pipe":
      return pipeAll(session, process.stdin, options, PROCESS);
    case "bigkeys":
    case "memkeys":
      return bigKeys(session, options, PROCESS, task === "memkeys");
    case "hotkeys":
      return hotKeys(session, options, PROCESS);
    case "stat":
      return showStat(session, options, PROCESS);
    case "latency":
    case "latency-history":
      return showLatency(session, options, PROCESS, task === "latency-history");
    case "rdb":
    case "functions-rdb":
      return saveRdb(session, target, { path: options.rdbPath, functions: task === "functions-rdb" }, PROCESS);
  }
}

/** What is to be run, with what comes from the standard input. */
async function wordsOf(options: CliOptions): Promise<Uint8Array[]> {
  const { eval: script, fromInput, quotedInput } = options;
  const words = (script === undefined ? options.words : evalWords(script, options.words)).map((word): Uint8Array => {
    if (!quotedInput) return Buffer.from(word);
    const [bytes, more] = split(word) ?? [];
    if (bytes === undefined || more !== undefined) throw new UsageError("Invalid quoted string");
    return bytes;
  });
  if (fromInput === undefined) return words;
  if (words.length === 0) throw new UsageError("-x and -X need a command");
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  const input = Buffer.concat(parts);
  if (fromInput === true) return [...words, input];
  const at = options.words.indexOf(fromInput);
  if (at < 0) throw new UsageError("Using -X option but stdin tag not match.");
  words[at] = input;
  return words;
}

async function repeat(session: Session, words: readonly Uint8Array[], options: CliOptions): Promise<number> {
  if (!(await session.connect())) return 1;
  for (let times = 0; times < options.repeat || options.repeat < 0; times++) {
    const isGood = await session.run(words);
    if (!isGood && options.failsOnError) return 1;
    if (options.interval > 0) await new Promise((resolve) => setTimeout(resolve, options.interval * 1000));
  }
  return 0;
}
