import { element } from "../element.js";
import { sizeOf } from "../sizes.js";
import { equal, plural, read, shown, wordsOf } from "./bytes.js";
import type { Data } from "./data.js";
import { button } from "./controls.js";
import type { DetailEvents } from "./detail.js";
import { ask } from "./dialog.js";
import { bitsOf, type Format, FORMATS, guess, hexOf, isHyperLogLog, isJson, minified, pretty, wholeLetters } from "./formats.js";
import { QUOTES } from "./kinds.js";

/** So much of a string is shown at a time, in bytes; what is longer is not edited as text. */
const SHOWN: Readonly<Record<Format, number>> = { text: 64 * 1024, json: 64 * 1024, hex: 4096, bits: 512 };
/** So much may be put into a string from a file. */
const FILE_BYTES = 64 * 1024 * 1024;

/** A string: as text, as JSON, in bytes and in bits. */
export class TextValue {
  /** How it is shown, once that was chosen. */
  private chosen: Format | undefined;
  private from = 0;
  private editor: HTMLTextAreaElement | undefined;
  /** What the editor began with, and as what. */
  private value = new Uint8Array();
  private began = "";

  constructor(private readonly data: Data, private readonly key: Uint8Array, private readonly events: DetailEvents, private readonly refresh: () => void) {}

  /** Whether the keyboard is in the editor, and where. */
  get selection(): (() => void) | undefined {
    const { editor } = this;
    if (!editor || document.activeElement !== editor) return undefined;
    const { selectionStart, selectionEnd, scrollTop } = editor;
    return () => {
      this.editor?.focus();
      this.editor?.setSelectionRange(selectionStart, selectionEnd);
      if (this.editor) this.editor.scrollTop = scrollTop;
    };
  }

  private get isDirty(): boolean {
    return this.editor !== undefined && this.editor.value !== this.began;
  }

  /** What it is now. What is being typed stays. */
  async nodes(): Promise<Node[]> {
    const { data, key } = this;
    const [length, head] = (await data.run([["STRLEN", key], ["GETRANGE", key, 0, SHOWN.text - 1]])) as [number, Uint8Array];
    const format = this.chosen ?? guess(head, length <= SHOWN.json);
    const most = SHOWN[format];
    if (this.from >= length) this.from = 0;
    const isWhole = length <= most;
    const special = await this.special(head, length);
    if ((format === "text" || format === "json") && isWhole) return [this.bar(format, length), ...special, ...this.edited(head, format)];
    const page = ((await data.run([["GETRANGE", key, this.from, this.from + most - 1]])) as [Uint8Array])[0];
    return [this.bar(format, length), ...special, ...this.page(page, format, length, most)];
  }

  private bar(format: Format, length: number): HTMLElement {
    const select = element(
      "select",
      { ariaLabel: "Format", attributes: { "data-focus": "format" }, on: { change: () => this.choose(select.value as Format) } },
      ...FORMATS.map(([value, text]) => element("option", { value, selected: value === format }, text)),
    );
    return element(
      "div",
      { class: "bar" },
      select,
      element("span", { class: "count" }, `${plural(length, "byte")}`),
      button("Save as a file", () => void this.download().catch(this.events.failed)),
      button("Replace by a file", () => this.upload()),
      format === "bits" ? button("Set a bit", () => this.askBit(), "primary") : undefined,
    );
  }

  private choose(format: Format): void {
    if (this.isDirty && (format === "hex" || format === "bits")) {
      this.events.failed(new Error("Save or revert what you have typed first."));
      return this.refresh();
    }
    if (this.isDirty && this.editor && format !== this.chosen) {
      const { value } = this.editor;
      if (format === "json" && !isJson(value)) this.events.failed(new Error("This is no JSON."));
      else this.editor.value = format === "json" ? pretty(value) : minified(value);
    }
    this.chosen = format;
    this.from = 0;
    this.refresh();
  }

  /** What it is beside a string. */
  private async special(head: Uint8Array, length: number): Promise<Node[]> {
    if (this.chosen === "bits") {
      const [count] = await this.data.run([["BITCOUNT", this.key]]);
      return [element("p", { class: "hint" }, `${Number(count).toLocaleString("en")} of ${plural(length * 8, "bit")} are 1.`)];
    }
    if (!isHyperLogLog(head)) return [];
    // Asked for one key alone, it would keep the count in the key: that would be a change.
    const [count] = await this.data.tryAll([["PFCOUNT", this.key, crypto.randomUUID()]]);
    if (count instanceof Error) return [];
    const add = (): void =>
      void ask({
        title: "Add elements",
        fields: [{ name: "words", label: "Elements", isLong: true, isRequired: true, hint: 'As redis-cli takes them: eve bob "Ann Lee"' }],
        action: "Add",
        submit: ({ words }) => this.change(["PFADD", this.key, ...wordsOf(words!)], `Added to ${shown(this.key)}`),
      });
    return [element("p", { class: "special" }, element("b", {}, "HyperLogLog"), `: it has seen about ${Number(count).toLocaleString("en")} different elements. `, button("Add elements", add))];
  }

  private edited(value: Uint8Array, format: Format): Node[] {
    if (this.isDirty && this.editor) {
      const notice = equal(value, this.value) ? undefined : element("p", { class: "hint warning", role: "status" }, "The value has changed since you began to edit it. Saving replaces it.");
      return [...(notice ? [notice] : []), ...this.editing(this.editor, format)];
    }
    const plain = shown(value, true);
    const isAsJson = format === "json" && isJson(plain);
    this.value = new Uint8Array(value);
    this.began = isAsJson ? pretty(plain) : plain;
    const rows = Math.min(24, Math.max(6, this.began.split("\n").length + 1));
    this.editor = element("textarea", { value: this.began, rows, spellcheck: false, ariaLabel: "Value", attributes: { "data-focus": "value" } });
    // As the element has it: ends of lines are its own.
    this.began = this.editor.value;
    const notice = format === "json" && !isAsJson ? [element("p", { class: "hint warning" }, "This is no JSON, and is shown as text.")] : [];
    return [...notice, ...this.editing(this.editor, format)];
  }

  private editing(editor: HTMLTextAreaElement, format: Format): Node[] {
    const hint = format === "json" ? "JSON. Spaces between its parts are only stored if they were before." : QUOTES;
    return [
      editor,
      element("p", { class: "hint" }, hint),
      element("p", { class: "buttons" }, button("Save", () => void this.save(editor, format).catch(this.events.failed), "primary"), button("Revert", () => this.revert())),
    ];
  }

  private async save(editor: HTMLTextAreaElement, format: Format): Promise<void> {
    const before = new TextDecoder().decode(this.value);
    let text = editor.value;
    if (format === "json" && isJson(before)) {
      JSON.parse(text); // throws what is wrong
      if (minified(before) === before) text = minified(text);
    }
    const value = read(text);
    this.editor = undefined;
    await this.change(["SET", this.key, value, "KEEPTTL"], `Changed ${shown(this.key)}`).catch((error: Error) => {
      this.editor = editor;
      throw error;
    });
  }

  private revert(): void {
    this.editor = undefined;
    this.refresh();
  }

  private async change(command: readonly [string, ...(string | Uint8Array | number)[]], what: string): Promise<void> {
    await this.events.change(what, this.key, { commands: [command] });
    this.refresh();
  }

  /** A part of it, which is not edited. */
  private page(bytes: Uint8Array, format: Format, length: number, most: number): Node[] {
    this.editor = undefined;
    const isNarrow = matchMedia("(max-width: 640px)").matches;
    const text = format === "hex" ? hexOf(bytes, this.from, isNarrow ? 8 : 16) : format === "bits" ? bitsOf(bytes, this.from, isNarrow ? 2 : 4) : shown(wholeLetters(bytes), true);
    const go = (from: number) => (): void => {
      this.from = from;
      this.refresh();
    };
    const last = Math.floor((length - 1) / most) * most;
    const pages = element(
      "p",
      { class: "buttons" },
      element("span", { class: "count" }, `Bytes ${this.from.toLocaleString("en")} to ${(this.from + bytes.length).toLocaleString("en")} of ${sizeOf(length)}`),
      this.from > 0 ? button("First", go(0), "small") : undefined,
      this.from > 0 ? button("Previous", go(Math.max(0, this.from - most)), "small") : undefined,
      this.from < last ? button("Next", go(this.from + most), "small") : undefined,
      this.from < last ? button("Last", go(last), "small") : undefined,
    );
    const long = format === "text" || format === "json" ? [element("p", { class: "hint" }, "A value this long is shown in parts. Replace it by a file, or change it in the terminal with SETRANGE or APPEND.")] : [];
    const name = format === "hex" ? "Value in hexadecimal" : format === "bits" ? "Value in bits" : "Value";
    return [...long, ...(length > most ? [pages] : []), element("pre", { class: "dump", tabIndex: 0, role: "region", ariaLabel: name, attributes: { "data-focus": "dump" } }, text)];
  }

  private askBit(): void {
    void ask({
      title: "Set a bit",
      fields: [
        { name: "offset", label: "Offset", isRequired: true, hint: "0 is the highest bit of the first byte." },
        { name: "bit", label: "Bit", options: [["1", "1"], ["0", "0"]] },
      ],
      action: "Set",
      submit: ({ offset, bit }) => this.change(["SETBIT", this.key, offset!.trim(), bit!], `Set bit ${offset} of ${shown(this.key)}`),
    });
  }

  private async download(): Promise<void> {
    const value = (await this.data.ask("GET", this.key)) as Uint8Array<ArrayBuffer> | null;
    if (!value) throw new Error("There is no such key now.");
    const href = URL.createObjectURL(new Blob([value], { type: "application/octet-stream" }));
    element("a", { href, download: shown(this.key).replaceAll(/[^\w.-]+/g, "-").slice(0, 80) || "value" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }

  private upload(): void {
    const input = element("input", { type: "file" });
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) void this.replace(file).catch(this.events.failed);
    });
    input.click();
  }

  private async replace(file: File): Promise<void> {
    if (file.size > FILE_BYTES) throw new Error(`${file.name} has ${sizeOf(file.size)}; at most ${sizeOf(FILE_BYTES)} are put into a string here.`);
    const value = new Uint8Array(await file.arrayBuffer());
    this.editor = undefined;
    await this.change(["SET", this.key, value, "KEEPTTL"], `Replaced ${shown(this.key)} by ${file.name}`);
  }
}
