import { element } from "../element.js";
import { ascii, plural, shown } from "../keys/bytes.js";
import { addressOf } from "../router.js";
import { sizeOf } from "../sizes.js";
import { type Argument, type Client, turn } from "./client.js";
import { type Row, Table } from "./tables.js";

/** So many keys are looked at, at most. */
const KEYS_MAX = 5000;
/** And so many in one task. */
const BATCH = 40;
const SHOWN = 10;
/** Members of a collection that MEMORY USAGE looks at. */
const SAMPLES = 5;

interface Big {
  readonly db: number;
  readonly key: Uint8Array;
  readonly type: string;
  readonly bytes: number;
}

/** The keys that take the most memory, among those that SCAN finds first. */
export class Biggest {
  readonly element: HTMLElement;
  private readonly table = new Table("Biggest keys", ["Database", "Type", "Memory", "Key"], "Nobody has looked yet.");
  private readonly news = element("p", { role: "status" });
  private readonly problem = element("p", { class: "problem", role: "alert" });
  private readonly button = element("button", { type: "button", class: "plain", on: { click: () => void this.look() } }, "Look for the biggest keys");
  private looking = 0;

  constructor(
    private readonly client: Client,
    private readonly databases: () => Iterable<number>,
  ) {
    this.element = element("div", {}, element("div", { class: "bar" }, this.button, this.news), this.problem, this.table.element);
  }

  /** Ends a look. */
  stop(): void {
    this.looking++;
  }

  private async look(): Promise<void> {
    const look = ++this.looking;
    this.problem.textContent = "";
    this.news.textContent = "Looking…";
    try {
      let seen = 0;
      let biggest: Big[] = [];
      for (const db of this.databases()) {
        for await (const found of this.scan(db)) {
          if (look !== this.looking) return;
          seen += found.length;
          biggest = [...biggest, ...found].sort((a, b) => b.bytes - a.bytes).slice(0, SHOWN);
          if (seen >= KEYS_MAX) break;
        }
        if (seen >= KEYS_MAX) break;
      }
      this.table.show(biggest.map(rowOf), "There are no keys.");
      this.news.textContent = `Among ${plural(seen, "key")}${seen >= KEYS_MAX ? ", not all there are" : ""}.`;
    } catch (error) {
      this.news.textContent = "";
      this.problem.textContent = (error as Error).message;
    }
  }

  private async *scan(db: number): AsyncGenerator<Big[]> {
    let cursor: Argument = "0";
    do {
      const [page] = await this.client.ask([["SCAN", cursor, "COUNT", BATCH]], { db, binary: true });
      if (page instanceof Error) throw page;
      const [next, keys] = page as [Argument, Uint8Array[]];
      await turn();
      const commands = keys.flatMap((key) => [["TYPE", key], ["MEMORY", "USAGE", key, "SAMPLES", SAMPLES]] as const);
      const answers = commands.length > 0 ? await this.client.ask(commands, { db, binary: true }) : [];
      // One that is gone meanwhile takes no memory.
      yield keys.flatMap((key, index) => {
        const [type, bytes] = answers.slice(2 * index, 2 * index + 2);
        return typeof bytes === "number" ? [{ db, key, type: ascii(type), bytes }] : [];
      });
      await turn();
      cursor = next;
    } while (ascii(cursor) !== "0");
  }
}

function rowOf({ db, key, type, bytes }: Big): Row {
  const name = shown(key);
  return {
    key: `${db} ${name} ${bytes}`,
    cells: [String(db), type, sizeOf(bytes)],
    action: () => element("a", { href: addressOf("keys", db, name) }, name),
  };
}
