// The JavaScript that wasm-bindgen writes; its shape is `Module` in wasm.ts. build.mjs knows where.
declare module "lodis-wasm";
declare module "lodis-wasm-full";

// The modules themselves: compressed, in base64; and as runtimes import them.
declare module "lodis-inline" {
  const text: string;
  export default text;
}
declare module "lodis-inline-full" {
  const text: string;
  export default text;
}
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
declare module "*.wasm?module" {
  const module: WebAssembly.Module;
  export default module;
}
