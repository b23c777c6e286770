import type { Value } from "./resp.js";

/** Commands that answer pairs in RESP3 where RESP2 has one thing after the other. */
const PAIRS: ReadonlySet<string> = new Set([
  "hrandfield", "zdiff", "zinter", "zpopmax", "zpopmin", "zrandmember", "zrange", "zrangebyscore", "zrevrange",
  "zrevrangebyscore", "zunion",
]);
/** Commands that answer a map in RESP3 where RESP2 has pairs. */
const STREAMS: ReadonlySet<string> = new Set(["xread", "xreadgroup"]);
const encoder = new TextEncoder();

/**
 * What a command answers in RESP2, of what it has answered in RESP3. `name` is the command in lower case; of
 * EXEC, `queued` are those that it has run.
 */
export function asResp2(value: Value, name: string, queued: readonly string[] = []): Value {
  switch (value.type) {
    case "double":
    case "big":
    case "verbatim":
      return { type: "string", bytes: encoder.encode(value.text) };
    case "bool":
      return { type: "integer", text: value.value ? "1" : "0" };
    case "array":
    case "set":
    case "map":
    case "push":
      return { type: "array", items: itemsOf(value, name, queued) };
    default:
      return value;
  }
}

function itemsOf({ type, items }: Value & { items: readonly Value[] }, name: string, queued: readonly string[]): Value[] {
  if (name === "exec") return items.map((item, index) => asResp2(item, queued[index] ?? ""));
  const plain = items.map((item) => asResp2(item, ""));
  if (type === "map" && STREAMS.has(name)) return plain.flatMap((_, at) => (at % 2 === 0 ? [{ type: "array", items: plain.slice(at, at + 2) } as const] : []));
  if (type === "array" && PAIRS.has(name)) return plain.flatMap((item) => ("items" in item ? item.items : [item]));
  return plain;
}
