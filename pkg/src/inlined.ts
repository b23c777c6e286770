/** The bytes of the module, with scripting or without, which are compressed in a chunk of the script. */
export async function inlined(scripting: boolean): Promise<ArrayBuffer> {
  // Both are written out, so that bundlers find them.
  const { default: text } = await (scripting ? import("lodis-inline-full") : import("lodis-inline"));
  const compressed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
