// Where the bundler copies no files for `new URL(…, import.meta.url)`: the module as a file of its own.
import { init, open } from "lodis/slim";
import wasm from "lodis/wasm";

init(new URL(wasm, import.meta.url));
const redis = await open("slim", { appendfsync: "always" });
const visits = await redis.incr("visits");
document.body.textContent = `visit ${visits} as ${redis.role}`;
