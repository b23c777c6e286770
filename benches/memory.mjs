// Runs the commands of standard input, one a line, in the built package; answers by how many bytes
// the memory of its module grew. What the allocator wastes is in it, as it is in used_memory.
import { createInterface } from "node:readline";

/** Commands that are sent at once. */
const BATCH = 1000;

let memory;
for (const name of ["instantiate", "Instance"]) {
  const original = WebAssembly[name];
  // The package keeps its instance to itself.
  WebAssembly[name] = function (...args) {
    if (new.target) {
      const instance = new original(...args);
      memory = instance.exports.memory;
      return instance;
    }
    return original(...args).then((result) => {
      memory = (result.instance ?? result).exports.memory;
      return result;
    });
  };
}

const { open } = await import("../pkg/dist/node.js");
const redis = await open("memory", { store: "memory" });
const before = memory.buffer.byteLength;
let batch = redis.pipeline();
let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  batch.call(...line.split(" "));
  count += 1;
  if (count % BATCH === 0) {
    await batch.exec();
    batch = redis.pipeline();
  }
}
if (count % BATCH !== 0) await batch.exec();
console.log(memory.buffer.byteLength - before);
await redis.close();
