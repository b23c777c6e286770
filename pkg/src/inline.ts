// The entry for any other runtime: the module is in the script itself.
import { hostIn } from "./hosting.js";
import { inlined } from "./inlined.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

export const open = opener(inlined, { hostIn });
export const salvage = salvager(inlined);
