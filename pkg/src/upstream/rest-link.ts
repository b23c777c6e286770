// Upstream over Upstash's REST protocol.
import { type Entry, type Link, type Listener, type Refusal, serverError, UpstreamError, type Value } from "./link.js";
import { applying, escaped, isRecord, reading, recordOf, refusalsIn, scannedIn, scanning, valuesIn } from "./scripts.js";
import type { Received } from "./wire.js";

/** Where it is, and what for. */
export interface RestTarget {
  readonly url: string;
  readonly token: string;
  readonly prefix: Uint8Array;
  readonly timeoutMs: number;
}

type Word = Uint8Array | string;
const decoder = new TextDecoder();
/** Where events of a key are told. */
const CHANNEL = "__keyspace@0__:";

/** Connects to an endpoint: asks whether it is there, and has it tell of what changes, if it does that. */
export async function restLink(target: RestTarget, listener: Listener): Promise<Link> {
  const link = new RestLink(target, listener);
  try {
    await link.run(["PING"]);
    // What changes from here on is told, and what has changed before is found by comparing.
    await link.listening();
  } catch (error) {
    link.close();
    throw error;
  }
  return link;
}

class RestLink implements Link {
  /** Whether events of keys come, nobody can tell. */
  readonly isTold = false;
  private readonly ended = new AbortController();

  constructor(
    private readonly target: RestTarget,
    private readonly listener: Listener,
  ) {}

  async apply(client: string, entries: readonly Entry[]): Promise<Refusal[]> {
    const record = recordOf(this.target.prefix, client);
    return refusalsIn(await this.run(applying(record, [], entries, true)), entries);
  }

  async read(keys: readonly Uint8Array[], known: readonly string[]): Promise<Value[]> {
    return valuesIn(await this.run(reading(keys, known, true, false)), keys.length);
  }

  async scan(cursor: string | null): Promise<{ keys: Uint8Array[]; cursor: string | null }> {
    const found = scannedIn(await this.run(scanning(this.target.prefix, cursor ?? "0")));
    return { cursor: found.cursor, keys: found.keys.filter((key) => !isRecord(this.target.prefix, key)) };
  }

  close(): void {
    this.ended.abort();
  }

  /** Runs one command. */
  async run(words: readonly Word[]): Promise<Received> {
    const body = JSON.stringify(words.map((word) => (typeof word === "string" ? word : decoder.decode(word))));
    const response = await this.fetch("", { method: "POST", body, headers: { "content-type": "application/json" } });
    const answer = (await response.json().catch(() => undefined)) as { result?: unknown; error?: unknown } | undefined;
    if (typeof answer?.error === "string") {
      if (response.status === 401 || response.status === 403) throw new UpstreamError("AUTH", answer.error);
      throw serverError(answer.error);
    }
    if (!response.ok || answer?.result === undefined) {
      throw new UpstreamError(response.ok ? "PROTOCOL" : "NETWORK", `the endpoint answers ${response.status}`);
    }
    return decoded(answer.result);
  }

  private async fetch(path: string, init: RequestInit, timeoutMs = this.target.timeoutMs): Promise<Response> {
    const { url, token } = this.target;
    const late = AbortSignal.timeout(timeoutMs);
    const headers = { authorization: `Bearer ${token}`, "upstash-encoding": "base64", ...init.headers };
    try {
      const signal = AbortSignal.any([late, this.ended.signal]);
      return await fetch(url.replace(/\/$/, "") + (path || "/"), { ...init, headers, signal });
    } catch (error) {
      const code = late.aborted ? "TIMEOUT" : "NETWORK";
      throw new UpstreamError(code, error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Hears of keys that change, where the server has that on (`notify-keyspace-events`); resolves once it does,
   * or it is known that the endpoint does not tell.
   */
  async listening(): Promise<void> {
    const { url, token, prefix, timeoutMs } = this.target;
    const pattern = encodeURIComponent(`${CHANNEL}${decoder.decode(escaped(prefix))}*`);
    const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
    const from = `${url.replace(/\/$/, "")}/psubscribe/${pattern}`;
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, timeoutMs));
    const request = fetch(from, { headers, signal: this.ended.signal }).catch(() => undefined);
    const response = await Promise.race([request, late]);
    if (!response?.ok || !response.headers.get("content-type")?.startsWith("text/event-stream")) return;
    void this.hear(response);
  }

  private async hear(response: Response): Promise<void> {
    try {
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const lines = (text + part.value).split("\n");
        text = lines.pop() ?? "";
        this.heard(lines);
      }
    } catch {
      // It ends one way or the other.
    }
    if (!this.ended.signal.aborted) this.listener.lost(new UpstreamError("NETWORK", "the events have ended"));
  }

  private heard(lines: readonly string[]): void {
    const channel = CHANNEL;
    const encoder = new TextEncoder();
    const keys: Uint8Array[] = [];
    for (const line of lines) {
      if (!line.startsWith("data: pmessage")) continue;
      // pmessage, pattern, channel, message: names may have commas.
      const at = line.lastIndexOf(channel);
      const end = line.lastIndexOf(",");
      if (at < 0 || end < at) continue;
      const key = encoder.encode(line.slice(at + channel.length, end));
      if (!isRecord(this.target.prefix, key)) keys.push(key);
    }
    if (keys.length > 0) this.listener.changed(keys);
  }
}

/** Text is in base64. */
function decoded(value: unknown): Received {
  if (typeof value === "string") {
    try {
      return Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
    } catch {
      return new TextEncoder().encode(value);
    }
  }
  if (typeof value === "number" || value === null) return value;
  if (Array.isArray(value)) return value.map(decoded);
  throw new UpstreamError("PROTOCOL", "a reply is not understood");
}
