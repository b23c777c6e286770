/** The bytes of the module, which lies beside this file in the package. */
export async function wasmFile(): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(new URL("./lodis_bg.wasm", import.meta.url)));
}
