// The JavaScript that wasm-bindgen writes; its shape is `Module` in wasm.ts. build.mjs knows where.
declare module "lodis-wasm";
declare module "lodis-wasm-full";
