/** Commands whose text is shown as it is. Each with the number of words it has then, 0 for any. */
const VERBATIM: Readonly<Record<string, number>> = {
  info: 0,
  lolwut: 0,
  "debug htstats": 0,
  "debug htstats-key": 0,
  "debug client-eviction": 0,
  "memory malloc-stats": 0,
  "memory doctor": 0,
  "cluster nodes": 2,
  "cluster info": 2,
  "client list": 0,
  "client info": 0,
  "latency graph": 3,
  "latency doctor": 2,
};

/** Whether redis-cli shows the text that a command answers as it is; its words are in lower case. */
export function isVerbatim(words: readonly string[]): boolean {
  for (const key of [words[0] ?? "", words.slice(0, 2).join(" ")]) {
    const count = Object.hasOwn(VERBATIM, key) ? VERBATIM[key] : undefined;
    if (count !== undefined) return count === 0 || count === words.length;
  }
  return false;
}
