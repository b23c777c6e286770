import { type Change, type Frame, type Opened, type Store } from "./store.js";

/**
 * Makes a connection to a place. Names that were not used before stand for empty places; the same name
 * stands for the same place, as long as the tests run.
 */
export type Connect = (place: string) => Store | Promise<Store>;

/** One test of a store. */
export interface StoreTest {
  /** What it sees to. */
  readonly name: string;
  /** Rejects if the store does not behave as {@link Store} has it. */
  run(connect: Connect): Promise<void>;
}

const OFFSET_AT = 16;
const HEADER_LEN = 36;
const LARGE = 3 * 1024 * 1024;
const FAR = 2 ** 53 - 1;

let places = 0;

/**
 * The tests of a store, for any test runner:
 *
 *     for (const { name, run } of storeTests) test(name, () => run(connect));
 */
export const storeTests: readonly StoreTest[] = [
  of("an empty place has no manifest and no frames", async (place) => {
    const { store, opened } = await place.open();
    equal(opened, { manifest: undefined, last: undefined }, "open()");
    equal(await store.read(0, 0, 10), [], "read() of records");
    equal(await store.read(1, 0, 10), [], "read() of a base");
  }),
  of("what was written is there after it was closed and opened", async (place) => {
    let { store } = await place.open();
    const frames = [record(0, 100), record(100, 50), piece(1, 0, 10), piece(1, 10, 20)];
    await store.write(change({ frames, manifest: MANIFEST }));
    await store.close();
    const { store: again, opened } = await place.open();
    store = again;
    equal(opened.manifest, MANIFEST, "the manifest");
    if (opened.last === undefined) throw new Error("open() answered no `last`, but there are records");
    equal(await all(store, 0), [frames[0], frames[1]], "the records");
    equal(await all(store, 1), [frames[2], frames[3]], "the pieces");
  }),
  of("read answers frames from an offset on, in order, up to the limit", async (place) => {
    const { store } = await place.open();
    const frames = Array.from({ length: 20 }, (_, index) => record(index * 10, 10));
    await store.write(change({ frames: frames.slice(0, 7), manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, frames: frames.slice(7) }));
    const some = await store.read(0, 50, 4);
    if (some.length === 0 || some.length > 4) throw new Error(`${some.length} frames came, not 1 to 4`);
    equal(some, bytesOf(frames.slice(5, 5 + some.length)), "from 50 on");
    equal(await store.read(0, 191, 4), [], "after the last");
    equal((await store.read(0, 185, 4))[0], frames[19]!.bytes, "from between two on");
    equal((await store.read(0, 0, 1))[0], frames[0]!.bytes, "from the beginning again");
    equal(await all(store, 0), frames, "all of them");
  }),
  of("frames are kept as they are, small and large", async (place) => {
    let { store } = await place.open();
    const frames = [record(0, 1), record(1, LARGE), record(1 + LARGE, 0), record(FAR - 1, 1)];
    await store.write(change({ frames: frames.slice(0, 2), manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, frames: frames.slice(2) }));
    await store.close();
    ({ store } = await place.open());
    equal(await all(store, 0), frames, "the records");
  }),
  of("bytes that are changed afterwards do not change what is stored", async (place) => {
    const { store } = await place.open();
    const [frame, manifest] = [record(0, 100), MANIFEST.slice()];
    await store.write(change({ frames: [frame], manifest }));
    frame.bytes.fill(1);
    manifest.fill(1);
    const [read] = await store.read(0, 0, 1);
    equal(read, record(0, 100).bytes, "the record");
    read!.fill(2);
    equal((await store.read(0, 0, 1))[0], record(0, 100).bytes, "the record, read again");
    await store.write(change({ expected: MANIFEST, frames: [record(100, 1)] }));
  }),
  of("a change that expects another manifest is refused, and changes nothing", async (place) => {
    const { store } = await place.open();
    await refused(store.write(change({ expected: MANIFEST, frames: [record(0, 5)] })), "LOST");
    equal(await store.read(0, 0, 1), [], "read() of what was refused");
    await store.write(change({ frames: [record(0, 5)], manifest: MANIFEST }));
    const other = { cut: 0, frames: [record(5, 5)], manifest: OTHER, trim: { start: 5, base: 0 } };
    await refused(store.write(change({ expected: OTHER, ...other })));
    await refused(store.write(change({ expected: undefined, ...other })));
    equal(await all(store, 0), [record(0, 5)], "the records");
    await store.close();
    equal((await place.open()).opened.manifest, MANIFEST, "the manifest");
  }),
  of("of two connections one is refused, or fenced off by the other", async (place) => {
    const first = await place.open();
    await first.store.write(change({ manifest: MANIFEST }));
    let second: Awaited<ReturnType<Place["open"]>>;
    try {
      second = await place.open();
    } catch (error) {
      equal((error as { code?: string }).code, "STORE_LOCKED", "the code of a refusal");
      await first.store.write(change({ expected: MANIFEST, frames: [record(0, 5)] }));
      await first.store.close();
      second = await place.open();
      equal(await all(second.store, 0), [record(0, 5)], "what the first has written");
      return;
    }
    equal(second.opened.manifest, MANIFEST, "the manifest, to the second");
    await second.store.write(change({ expected: MANIFEST, manifest: OTHER }));
    await refused(first.store.write(change({ expected: MANIFEST, frames: [record(0, 5)] })));
    equal(await second.store.read(0, 0, 1), [], "what was fenced off");
  }),
  of("a record that is written again takes the place of the old one", async (place) => {
    let { store } = await place.open();
    await store.write(change({ frames: [record(0, 10), record(10, 10)], manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, cut: 10, frames: [record(10, 30), record(40, 5)] }));
    await store.close();
    ({ store } = await place.open());
    equal(await all(store, 0), [record(0, 10), record(10, 30), record(40, 5)], "the records");
  }),
  of("pieces that are written again take the place of the old ones", async (place) => {
    let { store } = await place.open();
    await store.write(change({ frames: [piece(3, 0, 10), piece(3, 10, 30)], manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, frames: [piece(3, 0, 10), piece(3, 10, 30)] }));
    await store.write(change({ expected: MANIFEST, frames: [piece(3, 40, 2)] }));
    await store.close();
    ({ store } = await place.open());
    equal(await all(store, 3), [piece(3, 0, 10), piece(3, 10, 30), piece(3, 40, 2)], "the pieces");
  }),
  of("a cut deletes records from an offset on, and no pieces", async (place) => {
    const { store } = await place.open();
    const frames = [0, 10, 20, 30].map((offset) => record(offset, 10));
    await store.write(change({ frames: [...frames, piece(1, 0, 50)], manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, cut: 20 }));
    equal(await all(store, 0), frames.slice(0, 2), "the records");
    equal(await all(store, 1), [piece(1, 0, 50)], "the pieces");
    await store.write(change({ expected: MANIFEST, frames: [record(20, 5)] }));
    await store.write(change({ expected: MANIFEST, cut: 0 }));
    equal(await store.read(0, 0, 1), [], "after all was cut");
    await store.write(change({ expected: MANIFEST, frames: [record(0, 5)] }));
    equal(await all(store, 0), [record(0, 5)], "what was written since");
  }),
  of("after a trim, what is of use is still there", async (place) => {
    let { store } = await place.open();
    await store.write(change({ frames: [record(0, 10), record(10, 10)], manifest: MANIFEST }));
    await store.write(change({ expected: MANIFEST, frames: [piece(1, 0, 50), piece(1, 50, 50)] }));
    await store.write(change({ expected: MANIFEST, frames: [record(20, 10)] }));
    await store.write(
      change({ expected: MANIFEST, manifest: OTHER, trim: { start: 20, base: 1 }, durability: "strict" }),
    );
    await store.write(change({ expected: OTHER, frames: [record(30, 10), piece(2, 0, 10)] }));
    await store.close();
    ({ store } = await place.open());
    equal(await all(store, 0, 20), [record(20, 10), record(30, 10)], "the records from 20 on");
    equal(await all(store, 1), [piece(1, 0, 50), piece(1, 50, 50)], "the pieces of the base");
    await store.write(change({ expected: OTHER, manifest: MANIFEST, trim: { start: 40, base: 0 } }));
    equal(await store.read(1, 0, 1), [], "a base that was trimmed");
    equal(await store.read(0, 40, 1), [], "records from 40 on");
    await store.write(change({ expected: MANIFEST, frames: [record(40, 10)] }));
    equal(await all(store, 0, 40), [record(40, 10)], "what was written since");
  }),
  of("thousands of records", async (place) => {
    let { store } = await place.open();
    const frames = Array.from({ length: 5000 }, (_, index) => record(index * 7, 7));
    await store.write(change({ manifest: MANIFEST }));
    for (let from = 0; from < frames.length; from += 500) {
      const durability = from % 1000 === 0 ? "strict" : "relaxed";
      const some = frames.slice(from, from + 500);
      await store.write(change({ expected: MANIFEST, frames: some, durability }));
    }
    await store.close();
    ({ store } = await place.open());
    equal(await all(store, 0), frames, "the records");
  }),
];

/** Connections to one place, closed when the test is over. */
class Place {
  private readonly open_ = new Set<Store>();

  constructor(
    private readonly connect: Connect,
    private readonly name: string,
  ) {}

  async open(): Promise<{ store: Store; opened: Opened }> {
    const store = await this.connect(this.name);
    const opened = await store.open();
    this.open_.add(store);
    const close = async () => {
      this.open_.delete(store);
      await store.close();
    };
    const { read, write } = store;
    const checked: Store = {
      open: () => store.open(),
      read: read.bind(store),
      write: write.bind(store),
      close,
    };
    const { manifest, last } = opened;
    return { store: checked, opened: { manifest, last } };
  }

  async closeAll(): Promise<void> {
    for (const store of this.open_) await store.close();
  }
}

function of(name: string, work: (place: Place) => Promise<void>): StoreTest {
  const run = async (connect: Connect): Promise<void> => {
    const place = new Place(connect, `conformance-${++places}`);
    try {
      await work(place);
    } finally {
      await place.closeAll();
    }
  };
  return { name, run };
}

const MANIFEST = Uint8Array.from({ length: 68 }, (_, index) => index);
const OTHER = Uint8Array.from({ length: 68 }, (_, index) => 255 - index);

function change(members: Partial<Change>): Change {
  return { expected: undefined, durability: "relaxed", frames: [], ...members };
}

const record = (offset: number, length: number) => frame(0, offset, length);
const piece = (base: number, offset: number, length: number) => frame(base, offset, length);

/** A frame with a header, and a payload that tells frames apart. */
function frame(base: number, offset: number, length: number): Frame {
  const bytes = new Uint8Array(HEADER_LEN + length);
  bytes.set(new TextEncoder().encode(base === 0 ? "LDSR" : "LDSB"));
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 1, true);
  view.setBigUint64(8, BigInt(base), true);
  view.setBigUint64(OFFSET_AT, BigInt(offset), true);
  view.setUint32(24, length, true);
  bytes.fill(1 + ((offset + length) % 250), HEADER_LEN);
  return { base, offset, bytes };
}

function bytesOf(frames: readonly Frame[]): Uint8Array[] {
  return frames.map((each) => each.bytes);
}

/** Everything from an offset on, as an instance reads it. */
async function all(store: Store, base: number, from = 0): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (let least = from; ; ) {
    const read = await store.read(base, least, 3 + frames.length);
    if (read.length === 0) return frames;
    for (const bytes of read) {
      const offset = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(OFFSET_AT, true));
      frames.push({ base, offset, bytes });
      least = offset + 1;
    }
  }
}

async function refused(promise: Promise<void>, code = "FENCED"): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: { code?: string }) => reason,
  );
  equal(error?.code, code, "the code of a change that expects another manifest");
}

function equal(found: unknown, expected: unknown, what: string): void {
  if (!same(found, expected)) {
    throw new Error(`${what}: ${text(found)} was found, ${text(expected)} was expected`);
  }
}

function same(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  }
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return a === b;
  const keys = Object.keys(b);
  return (
    Object.keys(a).length === keys.length &&
    keys.every((key) => same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}

function text(value: unknown): string {
  const shown = JSON.stringify(value, (_, member: unknown) =>
    member instanceof Uint8Array ? `${member.length} bytes from ${member.slice(0, 40)}` : member,
  );
  return shown === undefined ? "undefined" : shown.slice(0, 300);
}
