import { element } from "../element.js";
import { ascii, read, shown, timeOf, wordsOf } from "./bytes.js";
import { type Change, type Command, type Data, textOf } from "./data.js";
import { button } from "./controls.js";
import { ask, type Field } from "./dialog.js";
import { brief } from "./formats.js";
import { field, type Kind, type Look, type Page, QUOTES, type Row } from "./kinds.js";

/** So many pending entries of a group are shown. */
const PENDING = 100;

export function stream(data: Data, key: Uint8Array): Kind {
  const rowOf = ([id, words]: [Uint8Array, Uint8Array[]]): Row => ({
    id: ascii(id),
    cells: [ascii(id), words.map((word, index) => brief(word) + (index % 2 === 0 ? ": " : index < words.length - 1 ? ", " : "")).join("")],
    remove: { commands: [["XDEL", key, id]] },
  });
  return {
    names: ["entry", "entries"],
    count: ["XLEN", key],
    orders: [["asc", "Oldest first"], ["desc", "Newest first"]],
    async page({ from, size, order = "asc" }: Look): Promise<Page> {
      const range: Command = order === "desc" ? ["XREVRANGE", key, from ?? "+", "-"] : ["XRANGE", key, from ?? "-", "+"];
      const entries = (await data.ask(...range, "COUNT", size + 1)) as [Uint8Array, Uint8Array[]][];
      const next = entries[size];
      return { columns: ["ID", "Fields"], rows: entries.slice(0, size).map(rowOf), next: next && ascii(next[0]), order };
    },
    add: () => ({
      fields: [
        field("fields", "Fields and values", { isLong: true, isRequired: true, hint: 'In turn, as redis-cli takes them: name "Eve Moss" age 30' }),
        field("id", "ID", { value: "*", isRequired: true, hint: "* has the server choose one." }),
      ],
      change: ({ fields, id }) => {
        const words = wordsOf(fields!);
        if (words.length === 0 || words.length % 2 !== 0) throw new Error("Every field needs a value: name Eve age 30.");
        return { commands: [["XADD", key, id!.trim(), ...words]] };
      },
    }),
  };
}

type Info = Readonly<Record<string, unknown>>;

export interface GroupEvents {
  change(what: string, change: Change): Promise<void>;
  refresh(): void;
  failed(error: Error): void;
}

/** The consumer groups of a stream: who reads, and what they have not acknowledged. */
export class Groups {
  private readonly open = new Set<string>();
  private last = "";

  constructor(private readonly data: Data, private readonly key: Uint8Array, private readonly events: GroupEvents) {}

  async nodes(): Promise<Node[]> {
    const groups = (await this.data.ask("XINFO", "GROUPS", this.key)) as Info[];
    this.last = textOf(groups);
    const parts = await Promise.all(groups.map((group) => this.group(group)));
    return [
      element("div", { class: "bar" }, element("h3", {}, "Consumer groups"), button("Add group", () => this.askNew())),
      ...(groups.length === 0 ? [element("p", { class: "hint" }, "It has no consumer groups.")] : [this.table(groups)]),
      ...parts.flat(),
    ];
  }

  /** Whether they are not as they were shown: nobody is told when they read. */
  async haveChanged(): Promise<boolean> {
    const [groups] = await this.data.tryAll([["XINFO", "GROUPS", this.key]]);
    return !(groups instanceof Error) && textOf(groups) !== this.last;
  }

  private table(groups: readonly Info[]): HTMLElement {
    const columns = ["name", "consumers", "pending", "last-delivered-id", "lag"];
    const cell = (value: unknown): string => (value instanceof Uint8Array ? shown(value) : value === null ? "unknown" : String(value));
    const actions = (name: Uint8Array): HTMLElement => {
      const id = shown(name);
      const isOpen = this.open.has(id);
      const show = button("Pending", () => this.toggle(id), "small", `Pending entries of ${id}`);
      show.setAttribute("aria-expanded", String(isOpen));
      return element(
        "td",
        { class: "actions" },
        show,
        button("Position", () => this.askPosition(name), "small", `Set the position of ${id}`),
        button("Remove", () => void this.change(`Removed group ${id}`, ["XGROUP", "DESTROY", this.key, name]), "small", `Remove group ${id}`),
      );
    };
    const heads = ["Group", "Consumers", "Pending", "Delivered", "Lag"].map((name) => element("th", { scope: "col" }, name));
    return element(
      "div",
      { class: "scroller" },
      element(
        "table",
        { ariaLabel: "Consumer groups" },
        element("thead", {}, element("tr", {}, ...heads, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")))),
        element("tbody", {}, ...groups.map((group) => element("tr", {}, ...columns.map((name) => element("td", {}, cell(group[name]))), actions(group.name as Uint8Array)))),
      ),
    );
  }

  private toggle(id: string): void {
    if (!this.open.delete(id)) this.open.add(id);
    this.events.refresh();
  }

  /** Who reads for a group, and what is pending, if that is asked for. */
  private async group({ name }: Info): Promise<Node[]> {
    const group = name as Uint8Array;
    const id = shown(group);
    if (!this.open.has(id)) return [];
    const [consumers, pending] = (await this.data.run([["XINFO", "CONSUMERS", this.key, group], ["XPENDING", this.key, group, "-", "+", PENDING]])) as [Info[], [Uint8Array, Uint8Array, number, number][]];
    const who = consumers.map(({ name, pending }) => `${shown(name as Uint8Array)} (${String(pending)})`).join(", ");
    const row = ([entry, consumer, idle, times]: [Uint8Array, Uint8Array, number, number]): HTMLElement =>
      element(
        "tr",
        {},
        ...[ascii(entry), shown(consumer), timeOf(idle), String(times)].map((text) => element("td", {}, text)),
        element(
          "td",
          { class: "actions" },
          button("Acknowledge", () => void this.change(`Acknowledged ${ascii(entry)}`, ["XACK", this.key, group, entry]), "small", `Acknowledge ${ascii(entry)}`),
          button("Claim", () => this.askClaim(group, entry), "small", `Claim ${ascii(entry)}`),
        ),
      );
    const heads = ["Entry", "Consumer", "Idle", "Deliveries"].map((name) => element("th", { scope: "col" }, name));
    const table = element(
      "table",
      {},
      element("caption", {}, `Pending entries of ${id}`),
      element("thead", {}, element("tr", {}, ...heads, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")))),
      element("tbody", {}, ...pending.map(row)),
    );
    return [
      element("p", { class: "hint" }, who === "" ? `${id} has no consumers.` : `Consumers of ${id}, with what they have pending: ${who}.`),
      pending.length === 0 ? element("p", { class: "hint" }, `Nothing of ${id} is pending.`) : element("div", { class: "scroller" }, table),
      ...(pending.length === PENDING ? [element("p", { class: "hint" }, `The first ${PENDING} are shown.`)] : []),
    ];
  }

  private change(what: string, command: readonly [string, ...(string | number | Uint8Array)[]]): Promise<void> {
    return this.events.change(what, { commands: [command] }).catch(this.events.failed);
  }

  private askNew(): void {
    void ask({
      title: "Add a consumer group",
      fields: [field("name", "Name", { isRequired: true, hint: QUOTES }), position()],
      action: "Add",
      submit: ({ name, id }) => this.events.change(`Added group ${name}`, { commands: [["XGROUP", "CREATE", this.key, read(name!), id!.trim()]] }),
    });
  }

  private askPosition(group: Uint8Array): void {
    void ask({
      title: `Position of ${shown(group)}`,
      fields: [position()],
      action: "Set",
      submit: ({ id }) => this.events.change(`Set the position of ${shown(group)}`, { commands: [["XGROUP", "SETID", this.key, group, id!.trim()]] }),
    });
  }

  private askClaim(group: Uint8Array, entry: Uint8Array): void {
    void ask({
      title: `Claim ${ascii(entry)}`,
      fields: [field("consumer", "For the consumer", { isRequired: true, hint: QUOTES })],
      action: "Claim",
      submit: ({ consumer }) => this.events.change(`Claimed ${ascii(entry)}`, { commands: [["XCLAIM", this.key, group, read(consumer!), 0, entry]] }),
    });
  }
}

const position = (): Field => field("id", "Delivers what is after", { value: "$", isRequired: true, hint: "An ID; 0 for all that is there, $ for what comes from now on." });
