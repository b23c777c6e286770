/** The bytes of the module, with scripting or without, which lies beside this file in the package. */
export async function wasmFile(scripting: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const { readFile } = await import("node:fs/promises");
  const file = scripting ? "./lodis_full_bg.wasm" : "./lodis_bg.wasm";
  return new Uint8Array(await readFile(new URL(file, import.meta.url)));
}
