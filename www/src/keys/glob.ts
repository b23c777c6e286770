/** A pattern of Redis that matches what begins with `text`, and nothing else. */
export function prefixPattern(text: Uint8Array): Uint8Array {
  const escaped = [...text].flatMap((byte) => ("*?[]\\^-".includes(String.fromCharCode(byte)) ? [92, byte] : [byte]));
  return Uint8Array.from([...escaped, 42]);
}

/** Whether bytes match a glob pattern, as MATCH of SCAN has it. */
export function matches(pattern: Uint8Array, bytes: Uint8Array): boolean {
  // Of several `*`, only the last one needs to be tried again.
  let [p, at, star, from] = [0, 0, -1, 0];
  while (at < bytes.length) {
    const byte = pattern[p];
    const next = byte === undefined || byte === 42 ? undefined : one(pattern, p, bytes[at]!);
    if (byte === 42) [star, from, p] = [p, at, p + 1];
    else if (next !== undefined) [p, at] = [next, at + 1];
    else if (star >= 0) [p, at] = [star + 1, ++from];
    else return false;
  }
  while (pattern[p] === 42) p++;
  return p >= pattern.length;
}

/** Where the pattern goes on if what stands at `p` matches one byte. */
function one(pattern: Uint8Array, p: number, byte: number): number | undefined {
  const first = pattern[p]!;
  if (first === 63) return p + 1;
  if (first === 91) return group(pattern, p + 1, byte);
  const literal = first === 92 && p + 1 < pattern.length ? p + 1 : p;
  return pattern[literal] === byte ? literal + 1 : undefined;
}

/** `[abc]`, `[^a-z]`; one that is not closed ends with the pattern. */
function group(pattern: Uint8Array, start: number, byte: number): number | undefined {
  let p = start;
  const isNot = pattern[p] === 94;
  if (isNot) p++;
  let isIn = false;
  while (p < pattern.length && pattern[p] !== 93) {
    if (pattern[p] === 92 && p + 1 < pattern.length) {
      if (pattern[++p] === byte) isIn = true;
      p++;
    } else if (pattern[p + 1] === 45 && p + 2 < pattern.length) {
      const [low, high] = [Math.min(pattern[p]!, pattern[p + 2]!), Math.max(pattern[p]!, pattern[p + 2]!)];
      if (byte >= low && byte <= high) isIn = true;
      p += 3;
    } else if (pattern[p++] === byte) isIn = true;
  }
  return isIn === isNot ? undefined : p + 1;
}
