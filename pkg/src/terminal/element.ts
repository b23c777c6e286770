/**
 * `<lodis-terminal>`, a terminal for any page: a store in memory of its own, or one that the browser keeps. To
 * import it is to define it. Importing it in Node, where there are no elements, does nothing.
 *
 * @module
 */
import type { Redis } from "../redis.js";
import css from "./element.css";
import { History } from "./history.js";
import { type Opener, Own } from "./own.js";
import { Pane } from "./pane.js";
import paneCss from "./pane.css";
import type { Ran } from "./terminal.js";

export type { Opener };
export type { Ran, Terminal } from "./terminal.js";

/** What the events of a terminal tell, in `detail`. They bubble, but for `error`. */
export interface TerminalEvents {
  /** An instance is open, and nothing has been run. */
  ready: CustomEvent<Readied>;
  /** A command is about to run. */
  command: CustomEvent<Pick<Ran, "words">>;
  /** A command was answered. */
  reply: CustomEvent<Ran>;
  /** No instance could be opened. */
  error: CustomEvent<Failed>;
}

/** What `ready` tells. */
export interface Readied {
  /** The instance that commands go to. */
  readonly redis: Redis;
}

/** What `error` tells. */
export interface Failed {
  /** Why there is none: what `open` rejected with. */
  readonly error: Error;
}

/** Where there are no elements, there is something to derive from all the same. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/** How far below the window a terminal is when it is opened. */
const NEAR = "200px";

let sheets: CSSStyleSheet[] | undefined;
let count = 0;

/**
 * A terminal: the element `<lodis-terminal>`. The lines of its text, or of `commands`, are run once it is seen.
 *
 * Attributes: `name` of the store that the browser keeps (without: memory, of this element alone); `commands`, a
 * line each, instead of the text; `run="offer"` to have them offered as buttons; `load`, when the store is opened:
 * `visible` (the default), `eager`, or `interaction`, with which commands are offered; `readonly`, without a line
 * to type in; `theme`, `light` or `dark` (without: as the page has it, by `color-scheme`); `label`, what it is
 * called by a screen reader where there are several; `protocol="2"`, with which replies are shown as RESP2 has them.
 *
 * A style sheet of the page may set `--lodis-text`, `-muted`, `-background`, `-border`, `-accent`, `-string`,
 * `-integer`, `-double`, `-error`, `-mono`, `-radius` and `-max-height`; and reaches `::part(pane)`,
 * `::part(screen)`, `::part(line)`, `::part(input)`, `::part(button)` and `::part(commands)`.
 *
 * @example
 * ```tsx
 * import "lodis/terminal/element";
 *
 * const terminal = document.createElement("lodis-terminal");
 * terminal.textContent = "SET greeting hello\nGET greeting";
 * terminal.addEventListener("reply", ({ detail }) => console.log(detail.words));
 * document.body.append(terminal);
 * ```
 */
export class LodisTerminal extends Base {
  /** Opens the stores of all terminals; for bundlers that need to be told where the module is. Default: `open` of `lodis`. */
  static open: Opener = async (name, options) => (await import("../index.js")).open(name, options);

  /** What changes it when it is set anew. */
  static readonly observedAttributes: readonly string[] = ["name", "commands", "run", "load", "label", "protocol"];

  private readonly number = ++count;
  private pane: Pane | undefined;
  private offers: HTMLElement | undefined;
  /** What it has opened itself. */
  private own: Own | undefined;
  private given: Redis | undefined;
  /** What is run once the store is open. */
  private first: string[] = [];
  private opening: Promise<void> | undefined;
  private observer: IntersectionObserver | undefined;
  private isRestarting = false;
  /** Counts beginnings: what belongs to an earlier one is dropped. */
  private life = 0;

  /** The instance that its commands go to, once there is one. */
  get redis(): Redis | undefined {
    return this.given ?? this.own?.redis;
  }

  /** Has commands go to an instance that stays open when the terminal goes; undefined: to one of its own again. */
  set redis(redis: Redis | undefined) {
    this.given = redis;
    this.restart();
  }

  /** What was entered, the newest last. */
  get lines(): readonly string[] {
    return this.pane?.terminal.lines ?? [];
  }

  /** Runs lines as if they had been typed, and resolves once they are answered. Opens the store if need be. */
  async run(lines: string): Promise<void> {
    const { pane } = this;
    if (!pane) throw new TypeError("run: this terminal is in no page");
    await Promise.all(linesOf(lines).map((line) => pane.terminal.enter(line)));
  }

  /** Empties the screen. */
  clear(): void {
    this.pane?.terminal.clear();
  }

  /** Moves the focus to the line. */
  override focus(): void {
    this.pane?.focus();
  }

  /** @internal */
  connectedCallback(): void {
    if (this.pane) return;
    // While the page is being read, the text of the element may not be there yet.
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => this.begin(), { once: true });
    else this.restart();
  }

  /** @internal Who is moved is taken out and put in again. */
  disconnectedCallback(): void {
    queueMicrotask(() => {
      if (!this.isConnected) this.end();
    });
  }

  /** @internal Nothing begins anew by being moved. */
  connectedMoveCallback(): void {}

  /** @internal */
  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (this.pane && before !== after) this.restart();
  }

  /** Begins anew, once for all that changes at the same time. */
  private restart(): void {
    if (this.isRestarting) return;
    this.isRestarting = true;
    queueMicrotask(() => {
      this.isRestarting = false;
      this.end();
      this.begin();
    });
  }

  private begin(): void {
    if (!this.isConnected || this.pane) return;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = sheets ??= [paneCss, css].map(sheetOf);
    const label = this.getAttribute("label");
    const owner = label ? ` of ${label}` : this.number > 1 ? ` of terminal ${this.number}` : "";
    const pane = new Pane({ owner, history: new History() });
    this.pane = pane;
    for (const [part, selector] of Object.entries(PARTS)) pane.element.querySelector(selector)?.setAttribute("part", part);
    pane.element.setAttribute("part", "pane");
    pane.terminal.onBefore = async (words) => {
      await this.opened(pane);
      await this.own?.settled();
      this.tell("command", { words });
    };
    // No line waits for a store that comes by itself: each has it opened.
    pane.terminal.giveUp();
    pane.terminal.onRan = (ran) => this.tell("reply", ran);
    root.replaceChildren(pane.element);
    const commands = linesOf(this.getAttribute("commands") ?? this.textContent ?? "");
    const load = this.getAttribute("load");
    if (commands.length === 0) pane.terminal.welcome();
    else if (this.getAttribute("run") === "offer" || load === "interaction") this.offer(pane, commands);
    if (load === "interaction") return;
    this.first = this.offers ? [] : commands;
    const start = (): void => void this.opened(pane).catch((error: Error) => pane.terminal.note(`The store could not be opened: ${error.message}`));
    if (load === "eager" || typeof IntersectionObserver === "undefined") return start();
    this.observer = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      this.observer?.disconnect();
      start();
    }, { rootMargin: NEAR });
    this.observer.observe(this);
  }

  private end(): void {
    this.life++;
    this.observer?.disconnect();
    this.shadowRoot?.replaceChildren();
    this.pane = this.offers = this.observer = this.opening = undefined;
    const { own } = this;
    this.own = undefined;
    own?.close().catch(() => {});
  }

  /** Runs what it begins with. Nobody asked for that to be read out. */
  private async runFirst(pane: Pane): Promise<void> {
    const commands = this.first.splice(0);
    if (commands.length === 0) return;
    const log = pane.element.querySelector("[role=log]");
    log?.setAttribute("aria-live", "off");
    await Promise.all(commands.map((command) => pane.terminal.enter(command)));
    log?.removeAttribute("aria-live");
  }

  /** Opens the store, once. What fails may be tried again by the next command. */
  private opened(pane: Pane): Promise<void> {
    if (this.pane !== pane) return Promise.resolve();
    this.opening ??= this.openFor(pane).catch((error: Error) => {
      if (this.pane === pane) {
        this.opening = undefined;
        this.dispatchEvent(new CustomEvent("error", { detail: { error } }));
      }
      throw error;
    });
    return this.opening;
  }

  private async openFor(pane: Pane): Promise<void> {
    const { life, given } = this;
    const name = this.getAttribute("name") || undefined;
    const own = given ? undefined : await Own.open(LodisTerminal.open, name);
    if (life !== this.life) return void own?.close().catch(() => {});
    this.own = own;
    if (own && name !== undefined && own.isInMemory) pane.terminal.note("This browser gives the page no storage: the data is in memory only.");
    const use = (redis: Redis): Promise<void> => pane.terminal.use(redis, () => own?.withScripts() ?? Promise.resolve());
    if (own) own.use = use;
    const redis = given ?? own!.redis;
    await use(redis);
    if (this.getAttribute("protocol") === "2") await pane.terminal.speak(2);
    void this.runFirst(pane);
    this.tell("ready", { redis });
  }

  private offer(pane: Pane, commands: readonly string[]): void {
    const offers = document.createElement("div");
    offers.className = "offers";
    offers.setAttribute("part", "commands");
    offers.setAttribute("role", "group");
    offers.setAttribute("aria-label", "Commands to run");
    const add = (text: string, className: string, lines: readonly string[]): void => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className, textContent: text });
      button.addEventListener("click", () => lines.forEach((line) => void pane.terminal.enter(line)));
      offers.append(button);
    };
    if (commands.length > 1) add("Run all", "all", commands);
    for (const command of commands) add(command, "offered", [command]);
    this.offers = offers;
    pane.element.prepend(offers);
  }

  private tell<E extends keyof TerminalEvents>(type: E, detail: TerminalEvents[E]["detail"]): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** The listeners of a terminal know what its events tell. */
export interface LodisTerminal {
  /** Calls `listener` when there is such an event. */
  addEventListener<E extends keyof TerminalEvents>(type: E, listener: (event: TerminalEvents[E]) => void, options?: boolean | AddEventListenerOptions): void;
  /** As of any element. */
  addEventListener<E extends keyof HTMLElementEventMap>(type: E, listener: (event: HTMLElementEventMap[E]) => void, options?: boolean | AddEventListenerOptions): void;
  /** As of any element. */
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** Parts of it, for style sheets of the page. */
const PARTS = { screen: ".screen", line: "form", input: "input", button: "form button" };

function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim()).filter((line) => line !== "");
}

function sheetOf(text: string): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}

declare global {
  interface HTMLElementTagNameMap {
    "lodis-terminal": LodisTerminal;
  }
}

if (globalThis.customElements && !customElements.get("lodis-terminal")) customElements.define("lodis-terminal", LodisTerminal);
