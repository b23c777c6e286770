// What `lodis cli` does beside running commands: --scan, --eval, --pipe.
import { readFileSync } from "node:fs";
import { repr } from "./format.js";
import { type CliOptions, UsageError } from "./options.js";
import type { Outputs, Session } from "./session.js";

/** Lists keys; the exit code. */
export async function scanAll(session: Session, options: CliOptions, outputs: Outputs): Promise<number> {
  if (!(await session.connect())) return 1;
  const { count, mode, pattern, type } = options;
  const wanted = [
    ...(pattern === undefined ? [] : ["MATCH", pattern]),
    ...(count === undefined ? [] : ["COUNT", count]),
    ...(type === undefined ? [] : ["TYPE", type]),
  ];
  let cursor = "0";
  do {
    const reply = await session.ask("SCAN", cursor, ...wanted);
    if (reply.type === "error") {
      outputs.complain(`ERROR: ${reply.text}\n`);
      return 1;
    }
    const [next, keys] = reply.type === "array" ? reply.items : [];
    if (next?.type !== "string" || keys?.type !== "array") throw new Error("Non ARRAY response from SCAN!");
    for (const key of keys.items) {
      if (key.type === "string") outputs.write(`${mode === "standard" ? repr(key.text) : key.text}\n`);
    }
    cursor = next.text;
    if (options.interval > 0) await new Promise((resolve) => setTimeout(resolve, options.interval * 1000));
  } while (cursor !== "0");
  return 0;
}

/**
 * EVAL with the text of a file; keys come before a comma.
 *
 * @throws UsageError if it cannot be read.
 */
export function evalWords(path: string, words: readonly string[]): string[] {
  let script: string;
  try {
    script = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`Can't open file '${path}': ${(error as Error).message}`);
  }
  const comma = words.indexOf(",");
  const [keys, args] = comma < 0 ? [words, []] : [words.slice(0, comma), words.slice(comma + 1)];
  return ["EVAL", script, String(keys.length), ...keys, ...args];
}

/** Sends what is read as it is, and counts the replies; the exit code. */
export async function pipeAll(session: Session, input: AsyncIterable<Buffer>, options: CliOptions, outputs: Outputs): Promise<number> {
  const link = await session.bare();
  if (!link) return 1;
  let [errors, replies] = [0, 0];
  // Its reply, which is nobody else's, says that all have come.
  const mark = `${process.pid}:${Math.random()}`;
  let silence: NodeJS.Timeout | undefined;
  let isSilent = false;
  const giveUp = (): void => {
    isSilent = true;
    link.close();
  };
  const sending = (async () => {
    for await (const part of input) {
      if (!link.write(part)) await link.drained();
    }
    outputs.write("All data transferred. Waiting for the last reply...\n");
    if (options.pipeTimeout > 0) silence = setTimeout(giveUp, options.pipeTimeout * 1000);
    link.send([Buffer.from("ECHO"), Buffer.from(mark)]);
  })();
  sending.catch(() => link.close());
  try {
    for (;;) {
      const reply = await link.reply();
      silence?.refresh();
      if (reply.type === "string" && reply.text === mark) break;
      replies++;
      if (reply.type !== "error") continue;
      errors++;
      outputs.complain(`${reply.text}\n`);
    }
    await sending;
    outputs.write("Last reply received from server.\n");
  } catch (error) {
    if (!isSilent) throw error;
    outputs.complain(`No replies for ${options.pipeTimeout} seconds: exiting.\n`);
    errors++;
  } finally {
    clearTimeout(silence);
  }
  outputs.write(`errors: ${errors}, replies: ${replies}\n`);
  return errors > 0 ? 1 : 0;
}
