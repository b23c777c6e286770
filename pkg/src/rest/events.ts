import type { Redis } from "../redis.js";
import type { Streamed } from "./request.js";

/** A subscriber that has not read so many bytes is let go. */
const UNREAD_MAX = 1024 * 1024;
/** How often something is sent, so that nobody between takes the connection for a dead one. */
const BEAT_MS = 20_000;
/** For which so much time is too long: its request has ended, and Workers do not tell of that. */
const DEAD_MS = 3 * BEAT_MS;

/** The messages of channels or patterns, or all commands, as server-sent events, until nobody reads them. */
export async function messages(
  redis: Redis,
  kind: Streamed,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  let stop = (): void => {};
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      cancel: () => stop(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_MAX }),
  );
  let isOver = false;
  let beaten = Date.now();
  const send = (text: string): void => {
    if (isOver) return;
    if (Date.now() - beaten > DEAD_MS) return stop();
    if ((controller.desiredSize ?? 0) <= 0) return end(new Error("the subscriber does not read"));
    controller.enqueue(encoder.encode(text));
  };
  const event = (...parts: readonly (string | number)[]): void => {
    const lines = parts.join(",").split(/\r\n|\r|\n/);
    send(`${lines.map((line) => `data: ${line}`).join("\n")}\n\n`);
  };
  const listener = (message: string, channel: string, pattern?: string): void => {
    if (pattern === undefined) event("message", channel, message);
    else event("pmessage", pattern, channel, message);
  };
  const unsubscribe = await (kind === "monitor" ? redis.monitor((line) => event(line)) : redis[kind](names, listener));
  const beat = setInterval(() => {
    beaten = Date.now();
    send(":\n\n");
  }, BEAT_MS);
  (beat as { unref?: () => void }).unref?.();
  stop = () => {
    isOver = true;
    clearInterval(beat);
    unsubscribe().catch(() => {});
  };
  const end = (error?: unknown): void => {
    if (isOver) return;
    stop();
    if (error === undefined) controller.close();
    else controller.error(error);
  };
  signal.addEventListener("abort", () => end(), { once: true });
  if (kind === "monitor") event('"OK"');
  names.forEach((name, index) => event(kind, name, index + 1));
  if (signal.aborted) end();
  return stream;
}
