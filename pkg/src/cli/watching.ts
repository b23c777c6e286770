// What looks at a server again and again: --stat, --latency, --latency-history.
import { setTimeout } from "node:timers/promises";
import type { CliOptions } from "./options.js";
import type { Outputs, Session } from "./session.js";

const STAT_HEADING =
  "------- data ------ --------------------- load -------------------- - child -\n" +
  "keys       mem      clients blocked requests            connections          \n";
/** Lines under a heading. */
const STAT_LINES = 20;
const SECOND_MS = 1000;
const PING_EVERY_MS = 10;
const HISTORY_MS = 15_000;

/** Writes a line of figures of INFO now and then, for ever; the exit code. */
export async function showStat(session: Session, options: CliOptions, outputs: Outputs): Promise<number> {
  if (!(await session.connect())) return 1;
  let requests: number | undefined;
  for (let line = 0; ; line++) {
    const reply = await session.insist("INFO");
    if (reply.type === "error") {
      outputs.complain(`ERROR: ${reply.text}\n`);
      return 1;
    }
    const info = "text" in reply ? reply.text : "";
    const now = figureOf(info, "total_commands_processed");
    if (line % STAT_LINES === 0) outputs.write(STAT_HEADING);
    outputs.write(statLine(info, now, now - (requests ?? now)));
    requests = now;
    await setTimeout(options.interval > 0 ? options.interval * 1000 : SECOND_MS);
  }
}

function statLine(info: string, requests: number, more: number): string {
  let keys = 0;
  for (const [, count] of info.matchAll(/^db\d+:keys=(\d+)/gm)) keys += Number(count);
  const figure = (name: string): string => String(figureOf(info, name));
  const child = (figureOf(info, "rdb_bgsave_in_progress") > 0 ? 1 : 0) + (figureOf(info, "aof_rewrite_in_progress") > 0 ? 2 : 0);
  return (
    `${String(keys).padEnd(11)}${sizeText(figureOf(info, "used_memory")).padEnd(8)}` +
    ` ${figure("connected_clients").padEnd(8)}${figure("blocked_clients").padEnd(8)}${`${requests} (+${more})`.padEnd(19)}` +
    ` ${figure("total_connections_received").padEnd(12)}` +
    `${figureOf(info, "loading") > 0 ? "LOAD" : ["", "SAVE", "AOF", "SAVE+AOF"][child]!}\n`
  );
}

function figureOf(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

/** Bytes as redis-cli writes them. */
function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 3);
  return `${(bytes / 1024 ** power).toFixed(2)}${"BKMG"[power]}`;
}

/** How long PINGs took, in milliseconds. */
class Sample {
  readonly began = performance.now();
  private count = 0;
  private least = Infinity;
  private most = 0;
  private sum = 0;

  add(ms: number): void {
    this.count++;
    this.least = Math.min(this.least, ms);
    this.most = Math.max(this.most, ms);
    this.sum += ms;
  }

  text(mode: CliOptions["mode"]): string {
    const { count, least, most } = this;
    const mean = (this.sum / count).toFixed(2);
    if (mode === "standard") return `min: ${least}, max: ${most}, avg: ${mean} (${count} samples)`;
    if (mode === "raw") return `${least} ${most} ${mean} ${count}\n`;
    if (mode === "csv") return `${least},${most},${mean},${count}\n`;
    return `{"min": ${least}, "max": ${most}, "avg": ${mean}, "count": ${count}}\n`;
  }
}

/**
 * Measures how long a PING takes: at a terminal for ever, elsewhere for a second; with `history` for ever, and anew
 * after each interval. The exit code.
 */
export async function showLatency(session: Session, options: CliOptions, outputs: Outputs, history: boolean): Promise<number> {
  if (!(await session.connect())) return 1;
  const { interval, mode } = options;
  const lastsMs = interval > 0 ? interval * 1000 : history ? HISTORY_MS : SECOND_MS;
  for (let sample = new Sample(); ; ) {
    const sent = performance.now();
    const reply = await session.insist("PING");
    if (reply.type === "error") {
      outputs.complain(`ERROR: ${reply.text}\n`);
      return 1;
    }
    sample.add(Math.floor(performance.now() - sent));
    const tookMs = performance.now() - sample.began;
    const isOver = tookMs >= lastsMs;
    if (mode === "standard") outputs.write(`\x1b[0G\x1b[2K${sample.text(mode)}`);
    else if (history || isOver) outputs.write(sample.text(mode));
    if (isOver && history) {
      outputs.write(` -- ${(tookMs / 1000).toFixed(2)} seconds range\n`);
      sample = new Sample();
    } else if (isOver && mode !== "standard") {
      return 0;
    }
    await setTimeout(PING_EVERY_MS);
  }
}
