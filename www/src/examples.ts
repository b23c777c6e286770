import { element } from "./element.js";

const EXAMPLES: readonly (readonly [text: string, lines?: string])[] = [
  ['SET user:1:name "Eve" EX 100'],
  ["TTL user:1:name"],
  ["INCR page:home:count"],
  ["MULTI … EXEC", "MULTI\nINCR page:home:count\nGET user:1:name\nEXEC"],
  ["CONFIG SET appendonly yes"],
  ["SUBSCRIBE alerts"],
  ['PUBLISH alerts "Welcome, new user!"'],
];

/** Commands to begin with; `run` is given the lines of the one that is chosen. */
export function examples(run: (lines: string) => void): HTMLElement {
  const buttons = EXAMPLES.map(([text, lines = text]) => element("button", { type: "button", on: { click: () => run(lines) } }, text));
  return element("nav", { class: "examples", ariaLabel: "Example commands" }, ...buttons);
}
