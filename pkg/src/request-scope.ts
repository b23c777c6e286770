import type { SourceOf } from "./load.js";

/** A source that says what to do where Workers run the script itself, which has no random numbers yet. */
export const inRequest = (source: SourceOf): SourceOf => (scripting) => {
  try {
    crypto.getRandomValues(new Uint8Array(1));
  } catch (cause) {
    throw new Error("open: there are no random numbers before the first request: call it in a handler", { cause });
  }
  return source(scripting);
};
