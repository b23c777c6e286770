// What a terminal needs once a line is run.
export { Feed } from "./feed.js";
export { linesOf } from "./format.js";
export { split } from "./quoting.js";
export { Session } from "./session.js";
