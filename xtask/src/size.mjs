// What a wasm file weighs: `node size.mjs FILE` prints it whole and by sections; with `gzip` after
// it, the one number that the budget is about.
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const NAMES = [
  "custom", "types", "imports", "functions", "tables", "memories", "globals", "exports", "start",
  "elements", "code", "data", "data count", "tags",
];
const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

/** An unsigned LEB128 number at a place, and the place after it. */
function number(bytes, at) {
  let [value, scale] = [0, 1];
  for (;;) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
    scale *= 128;
  }
}

function* sections(bytes) {
  for (let at = 8; at < bytes.length; ) {
    const [length, start] = number(bytes, at + 1);
    yield { name: NAMES[bytes[at]] ?? `section ${bytes[at]}`, bytes: bytes.subarray(start, start + length) };
    at = start + length;
  }
}

const [file, only] = process.argv.slice(2);
const wasm = readFileSync(file);
if (only === "gzip") {
  console.log(gzip(wasm));
} else {
  const brotli = kib(brotliCompressSync(wasm).length);
  console.log(`${kib(wasm.length)}, gzip ${kib(gzip(wasm))}, brotli ${brotli}`);
  if (only === "sections") {
    for (const { name, bytes } of sections(wasm)) {
      console.log(`  ${name.padEnd(12)} ${kib(bytes.length).padStart(11)}  gzip ${kib(gzip(bytes)).padStart(10)}`);
    }
  }
}
