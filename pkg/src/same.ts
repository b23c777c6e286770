import type { Reply } from "./types.js";

/** Whether two replies say the same; the order of names in a map does not count. */
export function isSame(one: Reply | undefined, other: Reply | undefined): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((each, at) => isSame(each, other[at]));
  }
  if (one instanceof Uint8Array) {
    return other instanceof Uint8Array && one.length === other.length && one.every((byte, at) => byte === other[at]);
  }
  if (one instanceof Error || other instanceof Error) {
    return one instanceof Error && other instanceof Error && one.message === other.message;
  }
  if (Array.isArray(other) || other instanceof Uint8Array) return false;
  const names = Object.keys(one);
  const isAlike = (name: string): boolean => name in other && isSame(one[name], other[name]);
  return names.length === Object.keys(other).length && names.every(isAlike);
}
