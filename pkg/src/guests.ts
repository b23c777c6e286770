import type { Blocking, BlockingCall } from "./blocking.js";
import type { Tabs, TabsEvent } from "./boundary/wasm.js";
import type { Engine } from "./engine.js";
import { WROTE } from "./engine.js";

type GuestEvent = Extract<TabsEvent, { tab: string }>;
type RequestEvent = Extract<TabsEvent, { type: "request" | "block" }>;

/** The owner's side of forwarding: a session per guest tab. */
export class Guests {
  private readonly sessions = new Map<string, number>();
  /** Requests that may block, by tab and number. */
  private readonly calls = new Map<string, Map<number, BlockingCall>>();

  constructor(
    private readonly engine: Engine,
    private readonly blocking: Blocking,
    private readonly tabs: Tabs,
    private readonly stored: () => Promise<void> | undefined,
  ) {}

  handle(event: GuestEvent): void {
    const { tab } = event;
    if (event.type === "connect") return this.connect(tab);
    const session = this.sessions.get(tab);
    if (session === undefined) return;
    switch (event.type) {
      case "request":
        return this.run(session, event);
      case "block":
        return this.block(session, event);
      case "cancel":
        return this.calls.get(tab)?.get(event.seq)?.cancel();
      case "disconnect":
        this.sessions.delete(tab);
        this.engine.disconnect(session);
        for (const call of this.calls.get(tab)?.values() ?? []) call.drop();
        this.calls.delete(tab);
    }
  }

  private connect(tab: string): void {
    const known = this.sessions.get(tab);
    if (known !== undefined) this.engine.disconnect(known);
    const session = this.engine.connect((messages, over) => {
      this.tabs.push(tab, messages);
      // A tab whose session was killed goes on in a new one.
      if (over) this.connect(tab);
    });
    this.sessions.set(tab, session);
  }

  private run(session: number, event: RequestEvent): void {
    const { engine } = this;
    engine.writer.load(event.frame);
    engine.run(session);
    const reply = engine.reader.rest();
    const wrote = engine.flags & WROTE;
    engine.settle();
    this.answer(event, reply, wrote ? this.stored() : undefined);
  }

  private block(session: number, event: RequestEvent): void {
    const { tab, seq, frame } = event;
    this.engine.writer.load(frame);
    const call = this.blocking.run(session);
    const calls = this.calls.get(tab) ?? new Map<number, BlockingCall>();
    this.calls.set(tab, calls.set(seq, call));
    call.replies.then(
      (reply) => {
        calls.delete(seq);
        this.answer(event, reply, this.stored());
      },
      (error: Error) => {
        calls.delete(seq);
        this.tabs.answer(tab, seq, refusal(frame, error.message));
      },
    );
  }

  private answer(event: RequestEvent, reply: Uint8Array, stored: Promise<void> | undefined): void {
    const { tab, seq, frame } = event;
    if (!stored) return this.tabs.answer(tab, seq, reply);
    stored.then(
      () => this.tabs.answer(tab, seq, reply),
      (error: Error) => this.tabs.answer(tab, seq, refusal(frame, error.message)),
    );
  }
}

/** The same error for every command of a request. */
function refusal(frame: Uint8Array, text: string): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let commands = 0;
  for (let at = 0; at < frame.length; commands++) {
    let words = view.getUint32(at, true);
    for (at += 4; words > 0; words--) at += 4 + view.getUint32(at, true);
  }
  return new TextEncoder().encode(`-${text}\r\n`.repeat(commands));
}
