// The server's side of a WebSocket (RFC 6455), as far as the bridge needs it: binary messages, no extensions.
// Node has none, and a package without dependencies would not be one any more for the sake of these lines.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** What is told of a socket. */
export interface SocketListener {
  message(bytes: Uint8Array): void;
  /** It has ended, once. */
  closed(): void;
}

/** Whether a request asks for a WebSocket; if not, what is wrong. */
export function refusalOf(request: IncomingMessage): string | undefined {
  const { upgrade, "sec-websocket-version": version, "sec-websocket-key": key } = request.headers;
  if (request.method !== "GET" || upgrade?.toLowerCase() !== "websocket") return "not a WebSocket";
  if (version !== "13") return "the version is 13";
  if (typeof key !== "string" || Buffer.from(key, "base64").length !== 16) return "no key";
  return undefined;
}

/** Answers a request that {@link refusalOf} has nothing against. */
export function accept(request: IncomingMessage, socket: Duplex): void {
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write([...lines, `Sec-WebSocket-Accept: ${key}`, "", ""].join("\r\n"));
}

/** Refuses a request, and ends its connection. */
export function refuse(socket: Duplex, status: string, reason: string): void {
  const head = [`HTTP/1.1 ${status}`, "Connection: close", "Content-Type: text/plain"];
  socket.end([...head, `Content-Length: ${Buffer.byteLength(reason)}`, "", reason].join("\r\n"));
}

interface Frame {
  readonly isLast: boolean;
  readonly kind: number;
  readonly payload: Buffer;
}

/** A socket that has been accepted. */
export class ServerSocket {
  private buffer: Buffer = Buffer.alloc(0);
  private parts: Buffer[] = [];
  private length = 0;
  private isOver = false;
  private isAlive = true;

  constructor(
    private readonly socket: Duplex,
    /** The longest message, in bytes. */
    private readonly most: number,
    private readonly listener: SocketListener,
  ) {
    socket.on("data", (chunk: Buffer) => this.received(chunk));
    socket.on("error", () => this.end());
    socket.on("close", () => this.end());
    socket.on("end", () => this.end());
  }

  /** Bytes that the other side has yet to take. */
  get waiting(): number {
    return this.socket.writableLength;
  }

  send(message: Uint8Array): void {
    if (!this.isOver) this.write(BINARY, message);
  }

  /** Asks whether the other side is there; ends it if it has not said so since it was asked before. */
  check(): void {
    if (this.isOver) return;
    if (!this.isAlive) return this.end();
    this.isAlive = false;
    this.write(PING, Buffer.alloc(0));
  }

  /** Says why it ends, and ends. */
  close(code: number, reason: string): void {
    if (this.isOver) return;
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
    payload.writeUInt16BE(code);
    payload.write(reason, 2);
    this.write(CLOSE, payload);
    this.socket.end();
    this.over();
  }

  private end(): void {
    this.socket.destroy();
    this.over();
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.closed();
  }

  private write(kind: number, payload: Uint8Array): void {
    const { length } = payload;
    const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    const head = Buffer.alloc(2 + extended);
    head[0] = 128 | kind;
    head[1] = extended === 0 ? length : extended === 2 ? 126 : 127;
    if (extended === 2) head.writeUInt16BE(length, 2);
    if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
    this.socket.cork();
    this.socket.write(head);
    this.socket.write(payload);
    this.socket.uncork();
  }

  private received(chunk: Buffer): void {
    if (this.isOver) return;
    this.isAlive = true;
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    for (let frame = this.take(); frame && !this.isOver; frame = this.take()) this.heard(frame);
  }

  /** The next frame, once all of it is there. */
  private take(): Frame | undefined {
    const { buffer } = this;
    if (buffer.length < 2) return undefined;
    const [first, second] = [buffer[0]!, buffer[1]!];
    const short = second & 127;
    const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
    if (buffer.length < start) return undefined;
    const length = short === 126 ? buffer.readUInt16BE(2) : short === 127 ? Number(buffer.readBigUInt64BE(2)) : short;
    const kind = first & 15;
    // Whoever connects has to mask, and nobody has agreed on extensions.
    if ((second & 128) === 0 || (first & 112) !== 0) return this.wrong(1002, "not a frame");
    if (kind >= CLOSE && (length > 125 || (first & 128) === 0)) return this.wrong(1002, "not a control frame");
    if (this.length + length > this.most) return this.wrong(1009, "the message is too long");
    const end = start + 4 + length;
    if (buffer.length < end) return undefined;
    const mask = buffer.subarray(start, start + 4);
    const payload = Buffer.from(buffer.subarray(start + 4, end));
    for (let at = 0; at < payload.length; at++) payload[at]! ^= mask[at & 3]!;
    this.buffer = buffer.subarray(end);
    return { isLast: (first & 128) !== 0, kind, payload };
  }

  private wrong(code: number, reason: string): undefined {
    this.close(code, reason);
  }

  private heard({ isLast, kind, payload }: Frame): void {
    switch (kind) {
      case PING:
        return this.write(PONG, payload);
      case PONG:
        return;
      case CLOSE:
        this.write(CLOSE, payload.subarray(0, 2));
        this.socket.end();
        return this.over();
      case BINARY:
      case CONTINUATION:
        if ((kind === BINARY) !== (this.parts.length === 0)) return this.wrong(1002, "not in order");
        this.parts.push(payload);
        this.length += payload.length;
        if (isLast) this.finish();
        return;
      case TEXT:
        return this.wrong(1003, "messages are binary");
      default:
        return this.wrong(1002, "not a frame");
    }
  }

  private finish(): void {
    const message = Buffer.concat(this.parts);
    [this.parts, this.length] = [[], 0];
    this.listener.message(message);
  }
}
