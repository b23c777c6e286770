import { readFile } from "node:fs/promises";
import { expect } from "vitest";

const MAX_PAGES = 1024;
const MEMORY_SECTION = 5;

/** The module with a memory that grows to 64 MiB and no further. */
export async function limited(): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readFile(new URL("../pkg/dist/lodis_bg.wasm", import.meta.url));
  const number = (at: number): [value: number, end: number] => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return [value, at];
    }
  };
  for (let at = 8; at < bytes.length; ) {
    const [length, start] = number(at + 1);
    if (bytes[at] === MEMORY_SECTION) {
      const least = bytes.subarray(start + 2, number(start + 2)[1]);
      expect([bytes[start], bytes[start + 1]]).toEqual([1, 0]);
      const section = [1, 1, ...least, (MAX_PAGES & 127) | 128, MAX_PAGES >> 7];
      const whole = [bytes.subarray(0, at), [MEMORY_SECTION, section.length, ...section]];
      return new Uint8Array([whole[0]!, whole[1]!, bytes.subarray(start + length)].flatMap((part) => [...part]));
    }
    at = start + length;
  }
  throw new Error("no memory section");
}
