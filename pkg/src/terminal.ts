/**
 * What a terminal for Redis needs: lines into words, replies into lines, the command table's completion, hints
 * and help. The playground and `lodis cli` are made of it.
 *
 * @module
 */
export { type Kind, type Line, line, linesOf, type Piece } from "./terminal/format.js";
export { helpOf } from "./terminal/help.js";
export { quoted, split } from "./terminal/quoting.js";
export { asResp2 } from "./terminal/resp2.js";
export { parse, type Value } from "./terminal/resp.js";
export { isSensitive } from "./terminal/sensitive.js";
export { type Advice, type Choices, type Shown, Table, tokensOf } from "./terminal/table.js";
