// `lodis cli` and redis-cli as child processes, with the same words and the same input.
import { spawnSync } from "node:child_process";
import { cli } from "./serving.js";

export interface Outcome {
  readonly status: number | null;
  /** Each byte a character. */
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: string, words: readonly string[], input: string | Buffer = ""): Outcome {
  const env = { ...process.env, LODISCLI_HISTFILE: "/dev/null", REDISCLI_HISTFILE: "/dev/null" };
  const { status, stdout, stderr } = spawnSync(command, words, { input, env, timeout: 20_000, encoding: "latin1" });
  return { status, stdout, stderr };
}
export const ours = (words: readonly string[], input?: string | Buffer): Outcome => run(process.execPath, [cli, "cli", ...words], input);
export const theirs = (words: readonly string[], input?: string | Buffer): Outcome => run("redis-cli", words, input);
