const ESCAPES: Record<string, number> = { n: 10, r: 13, t: 9, b: 8, a: 7 };
const NAMES: Record<string, string> = {
  "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\x07": "\\a", '"': '\\"', "\\": "\\\\",
};

/** Controls, and what would make a reply look like something that it is not. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u;

/** A word of a line that may still be typed. */
export interface Word {
  /** Where it begins in the line, with its quotes. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
  /** What it stands for; of a quote that is not closed, what there is of it. */
  readonly bytes: Uint8Array;
}

/** The words of a line, and whether quotes are wrong: not closed, or not followed by a blank. */
export function wordsOf(text: string): { readonly words: Word[]; readonly isBroken: boolean } {
  const words: Word[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && /\s/.test(text[at]!)) at++;
    if (at >= text.length) return { words, isBroken: false };
    const start = at;
    const word = new Parts();
    while (at < text.length && !/\s/.test(text[at]!)) {
      const quote = text[at]!;
      if (quote !== '"' && quote !== "'") {
        const plain = at;
        while (at < text.length && !/[\s"']/.test(text[at]!)) at++;
        word.text(text.slice(plain, at));
        continue;
      }
      at = quote === '"' ? double(text, at + 1, word) : single(text, at + 1, word);
      if (at >= 0 && (at >= text.length || /\s/.test(text[at]!))) continue;
      words.push({ start, end: at < 0 ? text.length : at, bytes: word.bytes() });
      return { words, isBroken: true };
    }
    words.push({ start, end: at, bytes: word.bytes() });
  }
}

/**
 * Splits a line into words as redis-cli does: `"…"` with escapes (`\n`, `\xHH`, …), `'…'` as it
 * stands except `\'`. Answers undefined when quotes are not closed, or not followed by a blank.
 */
export function split(text: string): Uint8Array[] | undefined {
  const { words, isBroken } = wordsOf(text);
  return isBroken ? undefined : words.map(({ bytes }) => bytes);
}

/** Reads up to the closing `"`; answers where it goes on, or -1. */
function double(text: string, start: number, word: Parts): number {
  let from = start;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '"') {
      word.text(text.slice(from, at));
      return at + 1;
    }
    if (text[at] !== "\\" || at + 1 >= text.length) continue;
    word.text(text.slice(from, at));
    const hex = /^\\x([0-9a-f]{2})/i.exec(text.slice(at, at + 4))?.[1];
    const named = ESCAPES[text[at + 1]!];
    if (hex !== undefined) word.byte(Number.parseInt(hex, 16));
    else if (named !== undefined) word.byte(named);
    else {
      from = at + 1; // the letter stands for itself
      at += 1;
      continue;
    }
    at += hex === undefined ? 1 : 3;
    from = at + 1;
  }
  word.text(text.slice(from));
  return -1;
}

function single(text: string, start: number, word: Parts): number {
  let from = start;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === "'") {
      word.text(text.slice(from, at));
      from = ++at;
    } else if (text[at] === "'") {
      word.text(text.slice(from, at));
      return at + 1;
    }
  }
  word.text(text.slice(from));
  return -1;
}

class Parts {
  private readonly parts: Uint8Array[] = [];

  text(text: string): void {
    if (text !== "") this.parts.push(new TextEncoder().encode(text));
  }

  byte(value: number): void {
    this.parts.push(Uint8Array.of(value));
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

/**
 * Bytes in double quotes with escapes. Unlike redis-cli, letters beyond ASCII are shown as they
 * are where the bytes are UTF-8.
 */
export function quoted(bytes: Uint8Array): string {
  let letters: string[];
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const plain = !/[\\"]/.test(text) && !HIDDEN.test(text);
    letters = plain ? [text] : Array.from(text, shownLetter);
  } catch {
    letters = Array.from(bytes, shownByte);
  }
  return `"${letters.join("")}"`;
}

function shownLetter(letter: string): string {
  return NAMES[letter] ?? (HIDDEN.test(letter) ? hex(new TextEncoder().encode(letter)) : letter);
}

function shownByte(byte: number): string {
  const letter = String.fromCharCode(byte);
  return NAMES[letter] ?? (byte < 32 || byte > 126 ? hex([byte]) : letter);
}

function hex(bytes: ArrayLike<number>): string {
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
