// --rdb and --functions-rdb: everything that a server has, as it gives it to a replica.
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import type { Target } from "./link.js";
import { type Outputs, reasonOf, type Session } from "./session.js";

/** A mark that ends a file whose length is not known when it begins. */
const MARK_BYTES = 40;

/** What was asked for. */
export interface RdbWish {
  /** `-` for the standard output. */
  readonly path: string;
  /** Functions, and no keys. */
  readonly functions: boolean;
}

/** Writes the file; the exit code. */
export async function saveRdb(session: Session, target: Target, wish: RdbWish, outputs: Outputs): Promise<number> {
  try {
    if (target.snapshot) await saveSnapshot(target.snapshot, wish, outputs);
    else if (await session.connect()) await transfer(session, wish, outputs);
    else return 1;
    return 0;
  } catch (error) {
    outputs.complain(`${(error as Error).message}\n`);
    return 1;
  }
}

async function saveSnapshot(snapshot: () => Promise<Blob>, wish: RdbWish, outputs: Outputs): Promise<void> {
  if (wish.functions) throw new Error("--functions-rdb needs a server");
  const blob = await snapshot();
  const sink = await Sink.open(wish.path);
  try {
    for await (const part of blob.stream() as unknown as AsyncIterable<Uint8Array>) await sink.write(part);
  } finally {
    await sink.close();
  }
  outputs.complain(`Transfer finished with success after ${blob.size} bytes\n`);
}

async function transfer(session: Session, { functions, path }: RdbWish, outputs: Outputs): Promise<void> {
  // A server that does not know one of them sends what it always has.
  for (const option of [["capa", "eof"], ["rdb-only", "1"], ...(functions ? [["rdb-filter-only", "functions"]] : [])]) {
    outputs.complain(`sending REPLCONF ${option.join(" ")}\n`);
    const reply = await session.ask("REPLCONF", ...option);
    if (reply.type !== "error") continue;
    outputs.complain(`REPLCONF ${option[0]} error: ${reply.text}\n`);
    if (option[0] === "rdb-filter-only") throw new Error("Failed requesting functions only RDB from server, aborting");
  }
  const link = await session.bare();
  if (!link) throw new Error("Server closed the connection");
  const socket = link.release();
  try {
    await receive(socket, path, outputs);
  } finally {
    socket.destroy();
  }
}

async function receive(socket: Duplex, path: string, outputs: Outputs): Promise<void> {
  socket.write("SYNC\r\n");
  const incoming = new Incoming(socket);
  const header = await incoming.line();
  if (header.startsWith("-")) throw new Error(`SYNC with master failed: ${header}`);
  const mark = header.startsWith("$EOF:") ? Buffer.from(header.slice(5), "latin1") : undefined;
  const length = mark ? undefined : Number(/^\$(\d{1,15})$/.exec(header)?.[1] ?? Number.NaN);
  if (mark ? mark.length !== MARK_BYTES : Number.isNaN(length)) throw new Error("Error reading bulk length while SYNCing");
  const what = length === undefined ? "bytes of bulk transfer until EOF marker" : `${length} bytes`;
  outputs.complain(`SYNC sent to master, writing ${what} to '${path}'\n`);
  const sink = await Sink.open(path);
  try {
    const written = mark ? await incoming.until(mark, sink) : await incoming.copy(length!, sink);
    await sink.sync();
    outputs.complain(mark ? `Transfer finished with success after ${written} bytes\n` : "Transfer finished with success.\n");
  } finally {
    await sink.close();
  }
}

/** What a master sends. */
class Incoming {
  private rest: Buffer = Buffer.alloc(0);
  private readonly parts: AsyncIterator<Buffer>;

  constructor(socket: Duplex) {
    this.parts = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The first line. Those that are empty say that there is more to come. */
  async line(): Promise<string> {
    for (;;) {
      const start = this.rest.findIndex((byte) => byte !== 10);
      const end = start < 0 ? -1 : this.rest.indexOf("\n", start);
      if (end >= 0) {
        const line = this.rest.subarray(start, end).toString("latin1");
        this.rest = this.rest.subarray(end + 1);
        return line.replace(/\r$/, "");
      }
      this.rest = Buffer.concat([this.rest, await this.more("Error reading bulk length while SYNCing")]);
    }
  }

  async copy(length: number, sink: Sink): Promise<number> {
    for (let left = length; left > 0; ) {
      if (this.rest.length === 0) this.rest = await this.more();
      const part = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(part.length);
      await sink.write(part);
      left -= part.length;
    }
    return length;
  }

  /** Copies until the last bytes are the mark, which is not copied. */
  async until(mark: Buffer, sink: Sink): Promise<number> {
    let written = 0;
    while (!this.rest.subarray(-mark.length).equals(mark)) {
      const sure = Math.max(this.rest.length - mark.length, 0);
      await sink.write(this.rest.subarray(0, sure));
      written += sure;
      this.rest = Buffer.concat([this.rest.subarray(sure), await this.more()]);
    }
    const last = this.rest.subarray(0, -mark.length);
    await sink.write(last);
    return written + last.length;
  }

  private async more(complaint = "I/O Error reading RDB payload from socket"): Promise<Buffer> {
    const next = await this.parts.next().catch(() => undefined);
    if (!next || next.done) throw new Error(complaint);
    return next.value;
  }
}

/** A file, or the standard output. */
class Sink {
  private constructor(
    private readonly file: FileHandle | undefined,
    private readonly path: string,
  ) {}

  static async open(path: string): Promise<Sink> {
    if (path === "-") return new Sink(undefined, path);
    try {
      return new Sink(await open(path, "w", 0o644), path);
    } catch (error) {
      throw new Error(`Error opening '${path}': ${reasonOf(error)}`);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.file) {
      if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      try {
        at += (await this.file.write(bytes, at)).bytesWritten;
      } catch (error) {
        throw new Error(`Error writing data to file: ${reasonOf(error)}`);
      }
    }
  }

  /** What was written is to outlive a crash. */
  async sync(): Promise<void> {
    await this.file?.sync().catch((error: NodeJS.ErrnoException) => {
      // A device or a pipe cannot.
      if (error.code !== "EINVAL" && error.code !== "EROFS") throw new Error(`Fail to fsync '${this.path}': ${reasonOf(error)}`);
    });
  }

  async close(): Promise<void> {
    await this.file?.close();
  }
}
