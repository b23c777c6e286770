// Every byte and letter goes over the boundary and comes back as it was.
import { open } from "lodis";
import { expect, test } from "vitest";

const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);

test("bytes come back as they were, in keys and in values", async () => {
  await using redis = await open("bytes");
  await redis.set(every, every);
  expect(await redis.bytes.get(every)).toEqual(every);
  expect(redis.sync.bytes.get(every)).toEqual(every);
  expect(await redis.strLen(every)).toBe(256);
  const view = new Uint8Array(every.buffer, 10, 20);
  await redis.set("view", view);
  expect(await redis.bytes.get("view")).toEqual(view.slice());
});

test("a reply in bytes is a copy that later commands leave alone", async () => {
  await using redis = await open("copies");
  await redis.set("a", "first");
  const bytes = await redis.bytes.get("a");
  await redis.set("a", "other");
  await redis.get("a");
  expect(new TextDecoder().decode(bytes!)).toBe("first");
});

test("text of every kind comes back as it was", async () => {
  await using redis = await open("text");
  const texts = ["", "a", "\0\r\n", "é", "€", "😀", "\ufeffbom", "\ufffd", "\uffff", "a😀é€\u007f\u0080"];
  for (const text of texts) {
    // Where the way of writing or reading changes.
    for (const times of [1, 3, 4, 5, 15, 16, 17, 47, 48, 49, 97, 160, 161, 4096, 5000, 30_000]) {
      const long = text.repeat(times);
      await redis.set(`key:${text}`, long);
      expect(await redis.get(`key:${text}`)).toBe(long);
    }
  }
});

test("many texts in one reply come back as they were, whatever is between them", async () => {
  await using redis = await open("many texts");
  const kinds = [
    (n: number) => "a".repeat(n % 40),
    (n: number) => `${n}`,
    (n: number) => "é".repeat(n % 7),
    (n: number) => "x".repeat(n % 3000),
    (n: number) => "😀" + "y".repeat(n % 200),
  ];
  const broken = Uint8Array.of(0x61, 0xff, 0x62);
  for (const [few, many] of [[0, 0], [0, 1], [1, 2], [3, 0], [0, 3], [0, 4], [4, 0]] as const) {
    await redis.del("list");
    const texts: string[] = [];
    for (let n = 0; n < 400; n++) texts.push(kinds[n % 97 === 0 ? many : few]!(n * 7));
    await redis.rPush("list", texts);
    expect(await redis.lRange("list", 0, -1)).toEqual(texts);
    await redis.lSet("list", 200, broken);
    texts[200] = "a\ufffdb";
    expect(await redis.lRange("list", 0, -1)).toEqual(texts);
    const pipeline = redis.pipeline();
    for (let n = 0; n < 400; n++) pipeline.lIndex("list", n);
    expect(await pipeline.exec()).toEqual(texts);
  }
});

test("half of a surrogate pair is refused, names its place, and changes nothing", async () => {
  await using redis = await open("surrogates");
  await redis.set("key", "kept");
  const halves = ["\ud800", "\udc00", "a\ud800b", "\udc00\ud800", "x".repeat(100) + "\ud83d"];
  halves.push("x".repeat(5000) + "\ud83d", "\ud83d" + "x".repeat(5000), "😀\ud83d");
  halves.push("x".repeat(1_100_000) + "\ud83d", "é".repeat(5000) + "\ud83d");
  for (const half of halves) {
    await expect(redis.set("key", half)).rejects.toThrow(
      new TypeError("argument 2 holds half of a surrogate pair, which UTF-8 cannot carry"),
    );
    await expect(redis.set(half, "value")).rejects.toThrow(/^argument 1 holds half/);
    expect(() => redis.sync.set("key", half)).toThrow(TypeError);
    await expect(redis.call(half)).rejects.toThrow(TypeError);
    await expect(redis.pipeline().set("key", "new").set("key", half).exec()).rejects.toThrow(TypeError);
  }
  expect(await redis.get("key")).toBe("kept");
});

test("numbers are sent in decimal", async () => {
  await using redis = await open("numbers");
  for (const [number, text] of [
    [0, "0"],
    [-0, "0"],
    [1.5, "1.5"],
    [-12, "-12"],
    [2n ** 63n - 1n, "9223372036854775807"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  ] as const) {
    await redis.set("n", number);
    expect(await redis.get("n")).toBe(text);
  }
});

test("an integer beyond 2^53 is a bigint", async () => {
  await using redis = await open("integers");
  const cases: [bigint, number | bigint][] = [
    [2n ** 53n - 1n, 2 ** 53 - 1],
    [2n ** 53n, 2n ** 53n],
    [-(2n ** 53n) + 1n, -(2 ** 53) + 1],
    [-(2n ** 53n), -(2n ** 53n)],
    [2n ** 63n - 1n, 2n ** 63n - 1n],
    [-(2n ** 63n), -(2n ** 63n)],
  ];
  for (const [value, expected] of cases) {
    await redis.set("n", value);
    expect(await redis.incrBy("n", 0)).toBe(expected);
  }
});

test("memory grows in few steps, each of which costs the host its view of it", async () => {
  await using redis = await open("grows");
  const sizes = new Set<string>();
  const size = async () => /used_memory_rss:(\d+)/.exec(await redis.info("memory"))![1]!;
  for (let index = 0; index < 400_000; index += 500) {
    await redis.mSet(Array.from({ length: 500 }, (_, at) => [`key:${index + at}`, `value ${index + at}`]));
    sizes.add(await size());
  }
  expect(sizes.size).toBeGreaterThan(2);
  expect(sizes.size).toBeLessThan(60);
});

test("requests of any size, across growths of the memory", async () => {
  await using redis = await open("sizes");
  // Around the buffer that never moves (64 KiB), and far beyond.
  for (const size of [65_400, 65_500, 65_536, 65_537, 131_072, 1 << 20, 20 << 20]) {
    const bytes = new Uint8Array(size).fill(size % 251);
    await redis.set("bytes", bytes);
    expect(Buffer.compare((await redis.bytes.get("bytes"))!, bytes)).toBe(0);
    const text = "é".repeat(size / 2);
    expect(await redis.set("text", text, { GET: true })).not.toBe("");
    expect((await redis.get("text")) === text).toBe(true);
    expect(await redis.ttl("text")).toBe(-1);
  }
  const pairs = new Map(Array.from({ length: 20_000 }, (_, i) => [`key:${i}`, `value:${i}`]));
  expect(await redis.mSet(pairs)).toBe("OK");
  expect(await redis.mGet([...pairs.keys()])).toEqual([...pairs.values()]);
});

test("several instances have data of their own", async () => {
  await using one = await open("same");
  await using two = await open("same");
  await one.set("key", "one");
  await two.set("key", "x".repeat(3 << 20));
  expect(await one.get("key")).toBe("one");
});

test("a pipeline may hold anything, however its words are converted", async () => {
  await using redis = await open("pipelines of many");
  const kinds: ((n: number) => string | number | bigint | Uint8Array)[] = [
    (n) => `value ${n}`,
    (n) => n * 1.5,
    (n) => BigInt(n) * 10n ** 15n,
    (n) => "é".repeat(n % 50),
    (n) => new TextEncoder().encode(`bytes ${n}`),
    (n) => "x".repeat(n * 100),
    () => "",
  ];
  const text = (value: unknown) =>
    value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
  for (const count of [1, 7, 8, 9, 300]) {
    for (const other of kinds) {
      for (const every of [1, 5, 1000]) {
        const values = Array.from({ length: count }, (_, n) => (n % every ? kinds[0]! : other)(n));
        const pipeline = redis.pipeline();
        const multi = redis.multi();
        values.forEach((value, n) => {
          pipeline.set(`p${n}`, value);
          multi.set(`m${n}`, value);
        });
        expect(await pipeline.exec()).toEqual(values.map(() => "OK"));
        expect(multi.execSync()).toEqual(values.map(() => "OK"));
        const reading = redis.pipeline();
        values.forEach((_, n) => reading.get(`p${n}`).get(`m${n}`));
        expect(reading.execSync()).toEqual(values.flatMap((value) => [text(value), text(value)]));
      }
    }
  }
});

test("a pipeline that waits in the middle goes on where it was", async () => {
  await using redis = await open("waiting pipelines");
  const pipeline = redis.pipeline();
  for (let n = 0; n < 20; n++) {
    if (n % 10 === 5) pipeline.blPop("queue", 0);
    else pipeline.incr("count");
  }
  const replies = pipeline.exec();
  expect(await redis.get("count")).toBe("5");
  await redis.rPush("queue", "first");
  expect(await redis.get("count")).toBe("14");
  await redis.rPush("queue", "second");
  expect((await replies).map((reply) => (Array.isArray(reply) ? reply[1] : reply))).toEqual(
    [1, 2, 3, 4, 5, "first", 6, 7, 8, 9, 10, 11, 12, 13, 14, "second", 15, 16, 17, 18],
  );
});
