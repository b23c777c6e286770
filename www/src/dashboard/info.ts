/** What INFO says: names and values. */
export type Info = ReadonlyMap<string, string>;

export function infoOf(text: string): Info {
  const lines = text.split("\r\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

export function numberOf(info: Info, name: string): number {
  return Number(info.get(name) ?? 0) || 0;
}

/** How many keys there are, by the numbers of the databases. */
export function keysOf(info: Info): Map<number, number> {
  const keys = new Map<number, number>();
  for (const [name, value] of info) {
    const db = /^db(\d+)$/.exec(name);
    const found = db && /keys=(\d+)/.exec(value);
    if (found) keys.set(Number(db[1]), Number(found[1]));
  }
  return keys;
}

/** `a=1,b=2` as names and values. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map(text.split(",").map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
}

/** What is counted of a command. Times are microseconds, where they are measured. */
export interface CommandStats {
  readonly name: string;
  readonly calls: number;
  readonly micros: number;
  readonly refused: number;
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

/** What was called since the counts began. */
export function commandsOf(info: Info): CommandStats[] {
  const commands: CommandStats[] = [];
  for (const [key, value] of info) {
    if (!key.startsWith("cmdstat_")) continue;
    const name = key.slice("cmdstat_".length);
    const fields = fieldsOf(value);
    const number = (field: string): number => Number(fields.get(field) ?? 0);
    const times = info.get(`latency_percentiles_usec_${name}`);
    const percentile = (field: string): number | undefined => (times === undefined ? undefined : Number(fieldsOf(times).get(field)));
    const refused = number("rejected_calls") + number("failed_calls");
    commands.push({ name, calls: number("calls"), micros: number("usec_per_call"), refused, p50: percentile("p50"), p99: percentile("p99") });
  }
  return commands;
}

/** How often a command was called. */
export function callsOf(info: Info, command: string): number {
  return Number(fieldsOf(info.get(`cmdstat_${command}`) ?? "").get("calls") ?? 0);
}

/** A line of CLIENT LIST: names and values. */
export function clientOf(line: string): Info {
  return new Map(line.split(" ").map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
}
