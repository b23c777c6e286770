import { wordsOf } from "./quoting.js";

/** Whether a line has something in it that nobody is to read: it is kept in no history. */
export function isSensitive(line: string): boolean {
  const decoder = new TextDecoder();
  const all = wordsOf(line).words.map(({ bytes }) => decoder.decode(bytes).toLowerCase());
  // `5 AUTH …` runs it so many times.
  const words = /^\d+$/.test(all[0] ?? "") ? all.slice(1) : all;
  const [name, next] = words;
  switch (name) {
    case "auth":
      return true;
    case "acl":
      return next === "setuser" || next === "deluser";
    case "config":
      return next === "set" && words.some((word) => /requirepass|masterauth|masteruser|key-file-pass/.test(word));
    case "hello":
      return words.includes("auth");
    case "migrate":
      return words.includes("auth") || words.includes("auth2");
    default:
      return false;
  }
}
