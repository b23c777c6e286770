// Frames that lie one behind the other in a file; `src/persist/frame.rs` has the format.
import type { Files } from "./files.js";
import type { Frame } from "./store.js";

/** Bytes of a frame before its payload. */
const HEADER_LEN = 36;
/** How much is read of a file at once, if no frame is longer. */
const WINDOW_LEN = 1024 * 1024;

const RECORD = 0x5253444c; // "LDSR", little-endian
const PIECE = 0x4253444c; // "LDSB"

/** What the beginning of a frame tells. */
interface Header {
  readonly offset: number;
  /** The length of the whole frame in bytes. */
  readonly length: number;
}

/** A frame as it is found: it may be torn or damaged, which its checksum will show. */
export interface Found {
  readonly bytes: Uint8Array;
  /** None if the header is damaged. */
  readonly offset: number | undefined;
  /** Where in the file it begins, and where the next one does. */
  readonly at: number;
  readonly end: number;
}

/** The header at a position, if there seems to be one. */
function headerAt(bytes: Uint8Array, at: number): Header | undefined {
  if (at + HEADER_LEN > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_LEN);
  const magic = view.getUint32(0, true);
  if (magic !== RECORD && magic !== PIECE) return undefined;
  const offset = Number(view.getBigUint64(16, true));
  if (!Number.isSafeInteger(offset)) return undefined;
  return { offset, length: HEADER_LEN + view.getUint32(24, true) };
}

/** The offset after a frame's payload. */
export function endOf({ offset, bytes }: Frame): number {
  return offset + Math.max(bytes.length - HEADER_LEN, 1);
}

/** Reads the frames of one file, which does not change meanwhile. */
export class FrameFile {
  private window: Uint8Array = new Uint8Array();
  private windowAt = 0;

  constructor(
    private readonly files: Files,
    readonly name: string,
    readonly size: number,
  ) {}

  /** The frames from an offset on, with those that are damaged and not known to lie before it. */
  async *from(offset: number): AsyncGenerator<Found> {
    for (let next = await this.frameAt(0); next; ) {
      const frame = next;
      next = await this.frameAt(frame.end);
      const isBefore =
        frame.offset === undefined
          ? next?.offset !== undefined && next.offset <= offset
          : frame.offset < offset;
      if (!isBefore) yield frame;
    }
  }

  /** The frame at a position; none at the end of the file. */
  private async frameAt(at: number): Promise<Found | undefined> {
    if (at >= this.size) return undefined;
    const header = headerAt(await this.read(at, HEADER_LEN), 0);
    const length = header?.length ?? Infinity;
    // With the header that follows, if there is one: what is read twice costs a window.
    const seen = at + length <= this.size ? await this.read(at, length + HEADER_LEN) : undefined;
    const isWhole = seen && (seen.length < length + HEADER_LEN || headerAt(seen, length));
    const bytes = isWhole ? seen.subarray(0, length) : await this.damagedAt(at);
    return { bytes: bytes.slice(), offset: header?.offset, at, end: at + bytes.length };
  }

  /**
   * What lies before the next frame: damage that something follows must not be taken for a tail that
   * was torn.
   */
  private async damagedAt(at: number): Promise<Uint8Array> {
    const rest = await this.read(at, this.size - at);
    for (let next = 1; next + HEADER_LEN <= rest.length; next++) {
      if (headerAt(rest, next)) return rest.subarray(0, next);
    }
    return rest;
  }

  /** So many bytes at a position, or up to the end of the file. */
  private async read(at: number, length: number): Promise<Uint8Array> {
    const end = Math.min(at + length, this.size);
    if (at < this.windowAt || end > this.windowAt + this.window.length) {
      const wanted = Math.min(Math.max(end - at, WINDOW_LEN), this.size - at);
      this.window = await this.files.read(this.name, at, wanted);
      this.windowAt = at;
    }
    return this.window.subarray(at - this.windowAt, end - this.windowAt);
  }
}
