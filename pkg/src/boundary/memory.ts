/** The module's linear memory. Its views detach when it grows, so they are made again then. */
export class Memory {
  bytes: Uint8Array;
  view: DataView;
  words: Uint32Array;

  constructor(private readonly memory: WebAssembly.Memory) {
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
  }

  /** Call after anything that may have made the memory grow. */
  refresh(): this {
    // A detached view has no length; asking the memory for its buffer costs ten times as much.
    if (this.bytes.length === 0) {
      this.bytes = new Uint8Array(this.memory.buffer);
      this.view = new DataView(this.memory.buffer);
      this.words = new Uint32Array(this.memory.buffer);
    }
    return this;
  }
}
