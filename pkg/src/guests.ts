import type { Tabs, TabsEvent } from "./boundary/wasm.js";
import type { Engine } from "./engine.js";
import { WROTE } from "./engine.js";

type GuestEvent = Extract<TabsEvent, { type: "connect" | "request" | "disconnect" }>;

/** The owner's side of forwarding: a session per guest tab. */
export class Guests {
  private readonly sessions = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly tabs: Tabs,
    private readonly stored: () => Promise<void> | undefined,
  ) {}

  handle(event: GuestEvent): void {
    const { tab } = event;
    if (event.type === "connect") return this.connect(tab);
    const session = this.sessions.get(tab);
    if (session === undefined) return;
    if (event.type === "request") return this.run(session, event);
    this.sessions.delete(tab);
    this.engine.disconnect(session);
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

  private run(session: number, { tab, seq, frame }: GuestEvent & { type: "request" }): void {
    const { engine } = this;
    engine.writer.load(frame);
    engine.run(session);
    const reply = engine.reader.rest();
    const wrote = engine.flags & WROTE;
    engine.settle();
    const stored = wrote ? this.stored() : undefined;
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
