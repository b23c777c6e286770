import { ReplyError } from "../errors.js";
import type { Reply } from "../types.js";

/** Strings of `btoa` are made of so many bytes at once. */
const CHUNK = 0x2000;

/** `{"result": …}` or `{"error": …}`. Strings of bytes are written in base64. */
export function resultOf(reply: Reply): string {
  if (reply instanceof ReplyError) return `{"error":${JSON.stringify(reply.message)}}`;
  return `{"result":${valueOf(reply)}}`;
}

function valueOf(reply: Reply): string {
  if (reply === null) return "null";
  if (Array.isArray(reply)) return `[${reply.map((each: Reply) => valueOf(each)).join(",")}]`;
  if (reply instanceof Uint8Array) return `"${base64(reply)}"`;
  if (reply instanceof ReplyError) return JSON.stringify(reply.message);
  // An integer is written with all of its digits.
  if (typeof reply === "number" || typeof reply === "bigint") return String(reply);
  return JSON.stringify(reply);
}

/** A status, which no reader makes bytes of; all but "OK" are in base64 where strings are. */
export function statusesIn64(reply: Reply): Reply {
  if (typeof reply === "string") return reply === "OK" ? reply : new TextEncoder().encode(reply);
  return Array.isArray(reply) ? reply.map(statusesIn64) : reply;
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}
