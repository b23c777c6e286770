/** When a block has more, it becomes two. */
const BLOCK = 1024;

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

function endOfDigits(text: string, from: number): number {
  let at = from;
  while (isDigit(text, at)) at++;
  return at;
}

/** The order of texts, with numbers by their value: a2 is before a10. Only equal texts are equal. */
export function compare(one: string, other: string): number {
  const shorter = Math.min(one.length, other.length);
  let at = 0;
  while (at < shorter && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  while (at > 0 && isDigit(one, at - 1)) at--;
  const [end, otherEnd] = [endOfDigits(one, at), endOfDigits(other, at)];
  if (end > at && otherEnd > at) {
    const [number, otherNumber] = [significant(one, at, end), significant(other, at, otherEnd)];
    if (number.length !== otherNumber.length) return number.length - otherNumber.length;
    if (number !== otherNumber) return number < otherNumber ? -1 : 1;
  }
  return one < other ? -1 : one > other ? 1 : 0;
}

function significant(text: string, from: number, to: number): string {
  let at = from;
  while (at < to && text.charCodeAt(at) === 48) at++;
  return text.slice(at, to);
}

/** Things in the order of their texts, which are all different; one more is put in fast, however many there are. */
export class Sorted<T> {
  length = 0;
  private readonly blocks: T[][] = [];

  constructor(private readonly textOf: (item: T) => string) {}

  add(item: T): void {
    const [block, at] = this.find(this.textOf(item));
    const items = this.blocks[block];
    this.length++;
    if (!items) this.blocks.push([item]);
    else items.splice(at, 0, item);
    if (items && items.length > BLOCK) this.blocks.splice(block + 1, 0, items.splice(BLOCK / 2));
  }

  delete(item: T): void {
    const [block, at] = this.find(this.textOf(item));
    const items = this.blocks[block];
    if (items?.[at] !== item) return;
    items.splice(at, 1);
    this.length--;
    if (items.length === 0) this.blocks.splice(block, 1);
  }

  at(index: number): T | undefined {
    let left = index;
    for (const block of this.blocks) {
      if (left < block.length) return block[left];
      left -= block.length;
    }
    return undefined;
  }

  /** Where this is, or would be. */
  indexOf(item: T): number {
    const [block, at] = this.find(this.textOf(item));
    return this.blocks.slice(0, block).reduce((sum, { length }) => sum + length, at);
  }

  *[Symbol.iterator](): Generator<T> {
    for (const block of this.blocks) yield* block;
  }

  /** The block, and the place in it, of the first one that is not before a text. */
  private find(text: string): [block: number, at: number] {
    const isBefore = (item: T): boolean => compare(this.textOf(item), text) < 0;
    const last = Math.max(0, this.blocks.length - 1);
    const block = Math.min(last, firstNot(this.blocks.length, (index) => isBefore(this.blocks[index]!.at(-1)!)));
    const items = this.blocks[block] ?? [];
    return [block, firstNot(items.length, (index) => isBefore(items[index]!))];
  }
}

/** The first index below `length` for which `test`, true for some and then false for the others, is not true. */
function firstNot(length: number, test: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
