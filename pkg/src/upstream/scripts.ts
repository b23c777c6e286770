// What is run at the server, as scripts: so that a transaction is checked and done in one step, also where
// nothing but single requests get through.
import { joined } from "../bytes.js";
import { type Entry, type Refusal, UpstreamError, type Value, type Words } from "./link.js";
import { type Received, textOf } from "./wire.js";

/** How long a server remembers what it has applied for a client that is not heard of: 90 days, in seconds. */
const REMEMBERED_S = 7_776_000;

/** So many bytes of values are much for one answer. */
const MUCH = 1024 * 1024;

/** Words that are no text cannot be sent as JSON: "=" and the word, or "x" and its bytes. */
const WORD = `local encoded = ARGV[1] == '1'
local function word(w)
  if not encoded then return w end
  if string.sub(w, 1, 1) == '=' then return string.sub(w, 2) end
  return (string.gsub(string.sub(w, 2), '%x%x', function(h) return string.char(tonumber(h, 16)) end))
end
`;

/**
 * KEYS[1] is the record: `at`, the number of the last entry that was applied, and `refused`, what was
 * refused then, in lines of number, place and error: whoever has lost the answer asks again. The record is
 * written first: where it cannot be, nothing happens.
 */
const APPLY = `${WORD}
local function parts(id) local e, s = string.match(id, '(%d+)-(%d+)') return tonumber(e), tonumber(s) end
local at, kept = redis.call('HGET', KEYS[1], 'at'), redis.call('HGET', KEYS[1], 'refused') or ''
local e, s = 0, 0
if at then e, s = parts(at) end
local i, todo, old, last = 2, {}, {}, false
while i <= #ARGV do
  local id, count, commands = ARGV[i], tonumber(ARGV[i + 1]), {}
  i = i + 2
  for c = 1, count do
    local n = tonumber(ARGV[i])
    commands[c] = {i + 1, n}
    i = i + n + 1
  end
  local ie, is = parts(id)
  if ie > e or (ie == e and is > s) then
    todo[#todo + 1], last = {id, commands}, id
  else
    old[id] = true
  end
end
local refused = {}
for id, place, text in string.gmatch(kept, '([^\\n]+)\\n([^\\n]+)\\n([^\\n]+)\\n') do
  if old[id] then refused[#refused + 1] = id .. '\\n' .. place .. '\\n' .. text .. '\\n' end
end
if last then
  redis.call('HSET', KEYS[1], 'at', last)
  redis.call('EXPIRE', KEYS[1], ${REMEMBERED_S})
  for _, entry in ipairs(todo) do
    for place, command in ipairs(entry[2]) do
      local args = {}
      for w = 1, command[2] do args[w] = word(ARGV[command[1] + w - 1]) end
      local reply = redis.pcall(unpack(args))
      if type(reply) == 'table' and reply.err then
        refused[#refused + 1] = entry[1] .. '\\n' .. place .. '\\n' .. reply.err .. '\\n'
      end
    end
  end
  if #refused > 0 or kept ~= '' then redis.call('HSET', KEYS[1], 'refused', table.concat(refused)) end
end
return table.concat(refused)`;

/**
 * What keys hold, its digest, and when they expire, in one step; only the digest if it is the one that is
 * known. Once that is much, the others have to be asked for again ("?"). A server before 7.0 has no PEXPIRETIME.
 */
const READ = `${WORD}
local out, total = {}, 0
for i = 2, #ARGV, 2 do
  local key = word(ARGV[i])
  local payload, digest, at = false, '', 0
  if total > ${MUCH} then digest = '?' else payload = redis.call('DUMP', key) end
  if payload then
    digest = redis.sha1hex(payload)
    if digest == ARGV[i + 1] then payload = '' end
    total = total + #payload
    at = redis.pcall('PEXPIRETIME', key)
    if type(at) == 'table' then
      at = redis.call('PTTL', key)
      local now = redis.call('TIME')
      if at >= 0 then at = at + now[1] * 1000 + math.floor(now[2] / 1000) end
    end
    if at < 0 then at = 0 end
  end
  out[#out + 1] = payload or ''
  out[#out + 1] = digest
  out[#out + 1] = string.format('%.0f', at)
end
return out`;

type Word = Uint8Array | string;
const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A word for JSON. */
function inJson(word: Word): string {
  if (typeof word === "string") return `=${word}`;
  try {
    return `=${strict.decode(word)}`;
  } catch {
    return `x${Array.from(word, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }
}

/** The command that applies entries. `keys` are all that they name, if it has to be said. */
export function applying(record: Word, keys: Words, entries: readonly Entry[], json: boolean): Word[] {
  const words: Word[] = ["EVAL", APPLY, String(1 + keys.length), record, ...keys, json ? "1" : "0"];
  for (const { id, commands } of entries) {
    words.push(id, String(commands.length));
    for (const command of commands) {
      words.push(String(command.length));
      for (const word of command) words.push(json ? inJson(word) : word);
    }
  }
  return words;
}

/** What its reply says was refused. */
export function refusalsIn(reply: Received, entries: readonly Entry[]): Refusal[] {
  const known = new Set(entries.map((entry) => entry.id));
  const lines = textOf(reply).split("\n");
  const refusals: Refusal[] = [];
  for (let at = 0; at + 2 < lines.length; at += 3) {
    const [id, place, text] = lines.slice(at, at + 3) as [string, string, string];
    if (known.has(id)) refusals.push({ id, index: Number(place) - 1, text: text.replace(/^-/, "") });
  }
  return refusals;
}

/** The command that reads keys, of which these digests are known, or `""`. */
export function reading(keys: Words, known: readonly string[], json: boolean, declared: boolean): Word[] {
  const names = declared ? keys : [];
  const words: Word[] = ["EVAL", READ, String(names.length), ...names, json ? "1" : "0"];
  keys.forEach((key, index) => words.push(json ? inJson(key) : key, known[index] ?? ""));
  return words;
}

/** What its reply says they hold. */
export function valuesIn(reply: Received, count: number): Value[] {
  if (!Array.isArray(reply) || reply.length !== 3 * count) {
    throw new UpstreamError("PROTOCOL", "the values of keys are not understood");
  }
  return Array.from({ length: count }, (_, index) => {
    const [payload, digest, at] = reply.slice(3 * index, 3 * index + 3) as Received[];
    const bytes = payload instanceof Uint8Array ? payload : new Uint8Array();
    return { payload: bytes, digest: textOf(digest), expiresAt: Number(textOf(at)) };
  });
}

/** The command that goes on with looking for keys. */
export function scanning(prefix: Uint8Array, cursor: string): Word[] {
  return ["SCAN", cursor, "MATCH", joined([escaped(prefix), encoder.encode("*")]), "COUNT", "500"];
}

/** Bytes as a pattern that matches nothing else. */
export function escaped(prefix: Uint8Array): Uint8Array {
  const special = new Set(encoder.encode("*?[]^\\-"));
  return Uint8Array.from(Array.from(prefix, (byte) => (special.has(byte) ? [92, byte] : [byte])).flat());
}

/** What its reply says. */
export function scannedIn(reply: Received): { cursor: string | null; keys: Uint8Array[] } {
  const [cursor, keys] = Array.isArray(reply) ? (reply as readonly Received[]) : [];
  if (!(cursor instanceof Uint8Array) || !Array.isArray(keys)) {
    throw new UpstreamError("PROTOCOL", "the keys that there are are not understood");
  }
  const next = textOf(cursor);
  return { cursor: next === "0" ? null : next, keys: keys as Uint8Array[] };
}

/** What comes between the prefix and the name of a client, in the name of its record. */
export const RECORDS = "__lodis__:upstream:";

/** The record of a client. It has the prefix, so that who may use that may write it. */
export function recordOf(prefix: Uint8Array, client: string, tag = ""): Uint8Array {
  return joined([prefix, encoder.encode(`${RECORDS}${client}${tag}`)]);
}

/** Whether a key is such a record, of anybody. */
export function isRecord(prefix: Uint8Array, key: Uint8Array): boolean {
  const begin = encoder.encode(RECORDS);
  return begin.every((byte, index) => key[prefix.length + index] === byte);
}
