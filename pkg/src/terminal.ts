/**
 * What a terminal for Redis needs: lines into words, replies into lines, the command table's completion and
 * hints. The playground and `lodis cli` are made of it.
 *
 * @module
 */
export { type Kind, type Line, line, linesOf, type Piece } from "./terminal/format.js";
export { quoted, split } from "./terminal/quoting.js";
export { parse, type Value } from "./terminal/resp.js";
export { Table, tokensOf } from "./terminal/table.js";
