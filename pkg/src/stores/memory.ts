import { type Change, mustBe, type Opened, type Store, storeError } from "./store.js";

/**
 * A store in memory: as long as the object is kept, an instance that is opened on it finds what the
 * one before has written. For tests.
 */
export function memoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  private manifest: Uint8Array | undefined;
  /** By the number of the base, 0 for records: frames by their offsets, which rise. */
  private readonly parts = new Map<number, Map<number, Uint8Array>>();
  private isOpen = false;

  async open(): Promise<Opened> {
    if (this.isOpen) throw storeError("STORE_LOCKED", "another instance has this store open");
    this.isOpen = true;
    const last = [...(this.parts.get(0)?.keys() ?? [])].at(-1);
    return { manifest: this.manifest?.slice(), last };
  }

  async read(base: number, from: number, limit: number): Promise<Uint8Array[]> {
    const found: Uint8Array[] = [];
    for (const [offset, bytes] of this.parts.get(base) ?? []) {
      if (offset < from) continue;
      if (found.length === limit) break;
      found.push(bytes.slice());
    }
    return found;
  }

  async write({ expected, cut, frames, manifest, trim }: Change): Promise<void> {
    mustBe(expected, this.manifest);
    if (cut !== undefined) this.delete(0, (offset) => offset >= cut);
    for (const { base, offset, bytes } of frames) this.put(base, offset, bytes.slice());
    if (manifest) this.manifest = manifest.slice();
    if (!trim) return;
    this.delete(0, (offset) => offset < trim.start);
    for (const base of this.parts.keys()) {
      if (base !== 0 && base !== trim.base) this.parts.delete(base);
    }
  }

  async close(): Promise<void> {
    this.isOpen = false;
  }

  private put(base: number, offset: number, bytes: Uint8Array): void {
    let part = this.parts.get(base);
    if (!part) this.parts.set(base, (part = new Map()));
    part.set(offset, bytes);
  }

  private delete(base: number, condition: (offset: number) => boolean): void {
    const part = this.parts.get(base);
    for (const offset of part?.keys() ?? []) if (condition(offset)) part?.delete(offset);
  }
}
