import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import { plural, shown } from "./bytes.js";
import type { Data, Undo } from "./data.js";
import { button } from "./controls.js";
import { ask } from "./dialog.js";
import { type Incoming, type Mode, readFiles, textOf, write } from "./importing.js";
import { exportJson } from "./json.js";
import type { Query } from "./search.js";
import { everythingAsFile, everythingOf, fileOf, foundIn, type Progress, type Some, these, totalOf } from "./transfer.js";

export interface FileEvents {
  say(text: string): void;
  failed(error: Error): void;
  /** Something was imported. */
  imported(what: string, undo: Undo): void;
}

/** What may be exported. */
export interface Scope {
  readonly query: Query;
  readonly chosen: readonly Uint8Array[];
  readonly key?: Uint8Array | undefined;
}

const FORMATS = { rdb: "dump.rdb", aof: "appendonly.aof", json: "keys.json" } as const;
type Format = keyof typeof FORMATS;
const MODES: readonly (readonly [Mode, string])[] = [
  ["replace", "are replaced; all others stay"],
  ["keep", "are kept as they are"],
  ["everything", "are deleted, and so are all others, in all databases"],
];

/** Files, in and out: by buttons, and by dropping them. One is under way at a time. */
export class FilesBar {
  readonly element = element("div", { class: "files", hidden: true });
  private readonly input = element("input", { type: "file", class: "unseen", tabIndex: -1, ariaLabel: "Files to import", multiple: true, accept: ".rdb,.aof,.json,.manifest" });
  private readonly what = element("span", {});
  private readonly bar = element("progress", { max: 1, value: 0, ariaLabel: "Progress" });
  private abort: AbortController | undefined;

  constructor(private readonly data: Data, private readonly scope: () => Scope, private readonly events: FileEvents) {
    this.input.addEventListener("change", () => {
      const files = [...(this.input.files ?? [])];
      this.input.value = "";
      if (files.length > 0) void this.take(files);
    });
    this.element.append(this.what, this.bar, button("Cancel", () => this.abort?.abort(new Error("cancelled"))));
  }

  /** The buttons with which it begins, and what they press. */
  buttons(): HTMLElement[] {
    return [button("Import", () => this.input.click()), button("Export", () => this.askExport("found")), this.input];
  }

  /** Has files dropped on `place`. */
  dropOn(place: HTMLElement): void {
    const isFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    place.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      place.dataset.drop = "true";
    });
    place.addEventListener("dragleave", (event) => {
      if (!(event.relatedTarget instanceof Node && place.contains(event.relatedTarget))) delete place.dataset.drop;
    });
    place.addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      delete place.dataset.drop;
      void this.take([...event.dataTransfer!.files]);
    });
  }

  private async take(files: readonly File[]): Promise<void> {
    const names = files.length === 1 ? files[0]!.name : `${files.length} files`;
    const { db } = this.data;
    let incoming: Incoming | undefined;
    await this.run(`Reading ${names}`, async (options) => void (incoming = await readFiles(files, db, options)));
    if (!incoming) return;
    const found = incoming;
    let mode: Mode | undefined;
    await ask({
      title: `Import ${plural(found.total, "key")} of ${names}?`,
      text: textOf(found),
      fields: [{ name: "mode", label: "Keys of the same name that are there", options: MODES }],
      action: "Import",
      submit: (values) => void (mode = values.mode as Mode),
    });
    if (mode) await this.write(found, mode, names);
    else this.events.say("Nothing was imported.");
    await found.keys.close();
  }

  private async write(found: Incoming, mode: Mode, names: string): Promise<void> {
    await this.run(`Importing ${names}`, async (options) => {
      const { written, kept, undo } = await write(this.data, found, mode, options);
      this.events.imported(`Imported ${plural(written, "key")} of ${names}${kept > 0 ? `, and kept ${kept.toLocaleString("en")} as they were` : ""}`, undo);
    });
  }

  /** Asks what to export, and as what. */
  askExport(begin: "found" | "chosen" | "key"): void {
    const { query, chosen, key } = this.scope();
    const pattern = shown(query.pattern);
    const isAll = pattern === "*" && query.type === "";
    const options: (readonly [string, string])[] = [
      ...(key ? [["key", `The key ${shown(key).slice(0, 60)}`] as const] : []),
      ...(chosen.length > 0 ? [["chosen", `The ${plural(chosen.length, "key")} that you have selected`] as const] : []),
      ["found", isAll ? `All keys of database ${this.data.db}` : `The keys of database ${this.data.db} that ${pattern === "*" ? "" : `match ${pattern}${query.type ? " and " : ""}`}${query.type ? `are of type ${query.type}` : ""}`],
      ["everything", "All keys of all databases"],
    ];
    void ask({
      title: "Export",
      fields: [
        { name: "what", label: "What", options, value: begin },
        {
          name: "format", label: "As", hint: "JSON leaves out consumer groups of streams.",
          options: [["rdb", "RDB: dump.rdb for any Redis from 7.0"], ["aof", "AOF: appendonly.aof for any Redis from 7.0"], ["json", "JSON: to be read, and changed"]],
        },
      ],
      action: "Export",
      submit: ({ what, format }) => void this.export(what!, format as Format, { query, chosen, key }),
    });
  }

  private async export(what: string, format: Format, { query, chosen, key }: Scope): Promise<void> {
    const { data } = this;
    const { db } = data;
    const keys = what === "key" && key ? [key] : chosen;
    const slices = (): AsyncIterable<Some> => (what === "everything" ? everythingOf(data) : what === "found" ? foundIn(data, db, query) : these(db, keys));
    await this.run(`Exporting ${FORMATS[format]}`, async (options) => {
      const total = what === "key" || what === "chosen" ? keys.length : what === "everything" ? await totalOf(data) : Number(await data.ask("DBSIZE"));
      const blob = await (format === "json"
        ? exportJson(data, slices(), total, what === "everything", options)
        : what === "everything"
          ? everythingAsFile(data, format === "aof", options)
          : fileOf(data, slices(), total, format === "aof", options));
      download(blob, FORMATS[format]);
      this.events.say(`Exported ${FORMATS[format]}, ${sizeOf(blob.size)}.`);
    });
  }

  /** Does one thing at a time, with progress, until it is over or cancelled. */
  private async run(what: string, work: (options: Progress) => Promise<void>): Promise<void> {
    if (this.abort) return this.events.failed(new Error("Another file is under way. Wait for it, or cancel it."));
    const { signal } = (this.abort = new AbortController());
    this.element.hidden = false;
    this.bar.value = 0;
    this.what.textContent = `${what}…`;
    try {
      await work({ onProgress: (done) => (this.bar.value = done), signal });
    } catch (error) {
      if (signal.aborted) this.events.say(`${what} was cancelled. Nothing has changed.`);
      else this.events.failed(error as Error);
    } finally {
      this.abort = undefined;
      this.element.hidden = true;
    }
  }
}

function download(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  const link = element("a", { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
