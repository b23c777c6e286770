// Lines that are typed, or come from elsewhere, run one after the other.
import { appendFileSync, chmodSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Hint } from "../boundary/wasm.js";
import { Engine } from "../engine.js";
import { load } from "../load.js";
import type { Line, Piece } from "../terminal/format.js";
import { helpOf } from "../terminal/help.js";
import { split } from "../terminal/quoting.js";
import { isSensitive } from "../terminal/sensitive.js";
import { Table } from "../terminal/table.js";
import { wasmFile } from "../wasm-file.js";
import type { CliOptions } from "./options.js";
import { reasonOf, type Outputs, type Session } from "./session.js";

const HISTORY_MAX = 1000;
const GREY = "\x1b[90m";
const PLAIN = "\x1b[0m";

/** Runs the lines of the standard input; the exit code. */
export async function readLines(session: Session, options: CliOptions, outputs: Outputs): Promise<number> {
  const isTerminal = process.stdin.isTTY === true;
  await session.connect();
  return isTerminal ? new Repl(session, outputs).run() : runAll(session, options, outputs);
}

async function runAll(session: Session, options: CliOptions, outputs: Outputs): Promise<number> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const outcome = await runLine(line, session, outputs);
    if (outcome === "end") break;
    if (!outcome && options.failsOnError) return 1;
  }
  return 0;
}

/** Runs one line; whether it went well, or was the last one. */
async function runLine(line: string, session: Session, outputs: Outputs): Promise<boolean | "end"> {
  let words = split(line);
  if (!words) {
    outputs.write("Invalid argument(s)\n");
    return false;
  }
  const first = Buffer.from(words[0] ?? []).toString().toLowerCase();
  if (words.length === 0) return true;
  if (first === "quit" || first === "exit") return "end";
  // `5 INCR n`: so many times.
  const times = /^\d{1,9}$/.test(first) && words.length > 1 ? Number(first) : undefined;
  if (times !== undefined) words = words.slice(1);
  let isGood = true;
  for (let count = 0; count < (times ?? 1); count++) {
    try {
      isGood = await session.run(words, true);
    } catch (error) {
      outputs.complain(`Error: ${reasonOf(error)}\n`);
      return false;
    }
  }
  return isGood;
}

/** Where what was typed is kept; undefined for nowhere. */
function historyFile(): string | undefined {
  const { LODISCLI_HISTFILE: path } = process.env;
  if (path === "/dev/null" || path === "") return undefined;
  return path ?? join(homedir(), ".lodiscli_history");
}

/** A terminal: history, completion, hints. */
class Repl {
  private table = new Table([]);
  private readonly history: string[];
  private readonly file = historyFile();
  private interface: Interface | undefined;
  /** Whether a command is run, which Ctrl-C then ends. */
  private isRunning = false;

  constructor(
    private readonly session: Session,
    private readonly outputs: Outputs,
  ) {
    this.history = this.read();
  }

  async run(): Promise<number> {
    this.table = new Table(await hints());
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: this.history,
      historySize: HISTORY_MAX,
      removeHistoryDuplicates: false,
      completer: (text: string): [string[], string] => [this.table.completions(text), text],
    });
    this.interface = lines;
    process.stdin.on("keypress", (_text: string, key?: { name?: string }) => this.showHint(key?.name));
    lines.on("SIGINT", () => {
      if (this.isRunning) this.session.interrupt();
      else lines.close();
    });
    this.prompt();
    for await (const line of lines) {
      this.keep(line);
      this.isRunning = true;
      const isOver = (await this.enter(line)) === "end";
      this.isRunning = false;
      if (isOver) break;
      await this.session.connect();
      this.prompt();
    }
    lines.close();
    return 0;
  }

  private async enter(line: string): Promise<boolean | "end"> {
    const words = line.trim().split(/\s+/);
    const first = words[0]!.toLowerCase();
    if (first === "clear" && words.length === 1) this.outputs.write("\x1b[H\x1b[2J");
    else if (first === "help" || first === "?") this.outputs.write(ofLines(helpOf(this.table, words.slice(1))));
    else return runLine(line, this.session, this.outputs);
    return true;
  }

  private prompt(): void {
    this.interface!.setPrompt(this.session.prompt);
    this.interface!.prompt();
  }

  /** What may follow comes behind the cursor, in grey, and goes when the line does. */
  private showHint(key: string | undefined): void {
    const { interface: lines } = this;
    if (!lines || this.isRunning) return;
    setImmediate(() => {
      if (this.isRunning || key === "return" || key === "enter") return;
      const { cursor, line } = lines;
      const hint = cursor === line.length ? this.table.hint(line) : "";
      const room = (process.stdout.columns ?? 80) - lines.getCursorPos().cols - 1;
      // What was shown before, and does not fit any more, goes.
      const shown = hint.slice(0, Math.max(room, 0));
      this.outputs.write(`\x1b7\x1b[K${shown === "" ? "" : GREY + shown + PLAIN}\x1b8`);
    });
  }

  private read(): string[] {
    if (this.file === undefined) return [];
    try {
      const lines = readFileSync(this.file, "utf8").split("\n").filter((line) => line !== "");
      return lines.slice(-HISTORY_MAX).reverse();
    } catch {
      // There is none yet.
      return [];
    }
  }

  private keep(line: string): void {
    if (line.trim() === "") return;
    if (isSensitive(line)) {
      // It is not to be found by going up either.
      const { history } = this.interface as unknown as { history: string[] };
      if (history[0] === line) history.shift();
      return;
    }
    if (this.file === undefined) return;
    try {
      appendFileSync(this.file, `${line}\n`, { mode: 0o600 });
      chmodSync(this.file, 0o600);
    } catch {
      // It is kept for this session alone.
    }
  }
}

/** The command table of the module, which every server of its age knows. */
async function hints(): Promise<Hint[]> {
  const engine = new Engine(await load(wasmFile, false), { databases: 1 });
  try {
    return engine.lodis.hints();
  } finally {
    engine.close();
  }
}

/** Lines in which names are bold, and what comes behind them is grey. */
function ofLines(lines: readonly Line[]): string {
  const of = ({ kind, text }: Piece, isHead: boolean): string =>
    kind === "command" ? `\x1b[1m${text}${PLAIN}` : isHead ? GREY + text + PLAIN : text;
  return `${lines.map((line) => line.map((piece) => of(piece, line[0]?.kind === "command")).join("")).join("\n")}\n`;
}
