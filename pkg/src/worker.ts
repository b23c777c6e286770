// The script of a worker in which an instance lives that leads the tabs: `OpenOptions.host`. Whoever bundles
// it for himself makes a worker of a module that imports `lodis/worker`.
import { accept } from "./hosted.js";
import { opener } from "./open.js";
import { wasmUrl } from "./wasm-url.js";

accept(opener(wasmUrl));
