/** What INFO says: names and values. */
export type Info = ReadonlyMap<string, string>;

export function infoOf(text: string): Info {
  const lines = text.split("\r\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

export function numberOf(info: Info, name: string): number {
  return Number(info.get(name) ?? 0) || 0;
}

/** How many keys there are, in all databases. */
export function keysOf(info: Info): number {
  let keys = 0;
  for (const [name, value] of info) {
    const found = /^db\d+$/.test(name) && /keys=(\d+)/.exec(value);
    if (found) keys += Number(found[1]);
  }
  return keys;
}

/** How often a command was called. */
export function callsOf(info: Info, command: string): number {
  return Number(/calls=(\d+)/.exec(info.get(`cmdstat_${command}`) ?? "")?.[1] ?? 0);
}

/** A line of CLIENT LIST: names and values. */
export function clientOf(line: string): Info {
  return new Map(line.split(" ").map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
}
