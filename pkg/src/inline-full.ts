// The entry for any other runtime, with scripting: the full module is in the script, unless `open` is told otherwise.
import { hostIn } from "./hosting.js";
import { inlined } from "./inlined.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

export const open = opener(inlined, { scripting: true, hostIn });
export const salvage = salvager(inlined, true);
