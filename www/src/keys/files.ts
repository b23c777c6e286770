import type { FileOptions } from "lodis";
import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import { plural } from "./bytes.js";
import type { Data } from "./data.js";
import { button } from "./detail.js";
import { ask } from "./dialog.js";
import { exportJson, importJson, parseJson } from "./json.js";
import type { Query } from "./search.js";

/** A larger file of JSON would hold up the page while it is read. */
const JSON_BYTES = 32 * 1024 * 1024;

export interface FileEvents {
  say(text: string): void;
  failed(error: Error): void;
  /** Everything was replaced. */
  replaced(): void;
}

/** Files, in and out: by buttons, and by dropping them. */
export class FilesBar {
  readonly element = element("details", { class: "files" });
  private readonly input = element("input", { type: "file", class: "unseen", tabIndex: -1, ariaLabel: "File to import", accept: ".rdb,.aof,.json" });
  private readonly bar = element("progress", { max: 1, value: 0, ariaLabel: "Progress" });
  private readonly running = element("p", { class: "running", hidden: true });
  private abort: AbortController | undefined;

  constructor(private readonly data: Data, private readonly query: () => Query, private readonly events: FileEvents) {
    this.input.addEventListener("change", () => {
      const [file] = this.input.files ?? [];
      if (file) this.take(file);
      this.input.value = "";
    });
    const save = (name: string, make: (options: Required<FileOptions> & { signal: AbortSignal }) => Promise<Blob>): void =>
      void this.run(`Exporting ${name}`, async (options) => {
        const blob = await make(options as never);
        download(blob, name);
        this.events.say(`Exported ${name}, ${sizeOf(blob.size)}.`);
      });
    this.running.append(this.bar, button("Cancel", () => this.abort?.abort(new Error("cancelled"))));
    this.element.append(
      element("summary", {}, "Import and export"),
      element(
        "p",
        { class: "buttons" },
        button("Import a file", () => this.input.click()),
        button("Export RDB", () => save("dump.rdb", (options) => this.data.files.exportRdb(options))),
        button("Export AOF", () => save("appendonly.aof", (options) => this.data.files.exportAof(options))),
        button("Export JSON", () => save("keys.json", (options) => exportJson(this.data, this.query(), options))),
        this.input,
      ),
      element("p", { class: "hint" }, "Or drop an RDB, AOF or JSON file here. RDB and AOF are all databases; JSON is what the search finds in this one, without consumer groups."),
      this.running,
    );
  }

  /** Has files dropped on `place`. */
  dropOn(place: HTMLElement): void {
    const isFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    place.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      place.dataset.drop = "true";
    });
    place.addEventListener("dragleave", () => delete place.dataset.drop);
    place.addEventListener("drop", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      delete place.dataset.drop;
      const [file] = event.dataTransfer!.files;
      if (file) this.take(file);
    });
  }

  private take(file: File): void {
    if (this.abort) return this.events.failed(new Error("Another file is under way. Wait for it, or cancel it."));
    void (/\.json$/i.test(file.name) ? this.takeJson(file) : this.takeRdb(file)).catch((error: Error) => this.events.failed(error));
  }

  private takeRdb(file: File): Promise<void> {
    return ask({
      title: `Replace everything by ${file.name}?`,
      text: `All keys of all databases are replaced by what is in the file (${sizeOf(file.size)}), in this tab and in all others, and that cannot be undone. To be able to come back, cancel, and export an RDB file first.`,
      action: "Replace everything",
      isDangerous: true,
      submit: () => {
        void this.run(`Importing ${file.name}`, async (options) => {
          const { keys, skipped } = await this.data.files.importRdb(file, options);
          this.events.replaced();
          const left = skipped.expired + skipped.empty + skipped.functions;
          this.events.say(`Imported ${plural(keys, "key")}${left > 0 ? `; ${left} were left out, for they had expired or were empty` : ""}.`);
        });
      },
    });
  }

  private async takeJson(file: File): Promise<void> {
    if (file.size > JSON_BYTES) throw new Error(`A JSON file of ${sizeOf(file.size)} is too large: at most ${sizeOf(JSON_BYTES)} are read here. An RDB file may be larger.`);
    const keys = parseJson(await file.text());
    await ask({
      title: `Import ${plural(keys.length, "key")}?`,
      text: `They are written to database ${this.data.db}.`,
      fields: [{ name: "exists", label: "Keys that exist", options: [["replace", "are replaced"], ["keep", "are kept as they are"]] }],
      action: "Import",
      submit: ({ exists }) => {
        void this.run(`Importing ${file.name}`, async (options) => {
          const { written, kept } = await importJson(this.data, keys, exists === "replace", options);
          this.events.say(`Imported ${plural(written, "key")}${kept > 0 ? `, and kept ${kept} as they were` : ""}.`);
        });
      },
    });
  }

  /** Does one thing at a time, with progress, until it is over or cancelled. */
  private async run(what: string, work: (options: { onProgress: (done: number) => void; signal: AbortSignal }) => Promise<void>): Promise<void> {
    if (this.abort) return this.events.failed(new Error("Another file is under way. Wait for it, or cancel it."));
    const { signal } = (this.abort = new AbortController());
    this.element.open = true;
    this.running.hidden = false;
    this.bar.value = 0;
    this.events.say(`${what}…`);
    try {
      await work({ onProgress: (done) => (this.bar.value = done), signal });
    } catch (error) {
      if (signal.aborted) this.events.say(`${what} was cancelled.`);
      else this.events.failed(inWords(error as Error));
    } finally {
      this.abort = undefined;
      this.running.hidden = true;
    }
  }
}

function inWords(error: Error): Error {
  if (!error.message.startsWith("READONLY")) return error;
  return new Error("Another tab leads, and only that one reads and writes files of all databases. Do it there, or close it and try again.");
}

function download(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  const link = element("a", { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
