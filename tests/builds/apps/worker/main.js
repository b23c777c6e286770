// Where the bundler makes no worker of `new Worker(new URL(…))`: one of the app's own, which imports lodis/worker.
import { open } from "lodis";
import wasm from "lodis/wasm";

const host = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const redis = await open("worker", { host, wasm: new URL(wasm, import.meta.url), appendfsync: "always" });
const visits = await redis.incr("visits");
document.body.textContent = `visit ${visits} as ${redis.role}`;
