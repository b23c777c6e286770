// Sessions, by a clock that the test sets.
import { sessions } from "lodis/patterns";
import { describe, expect, test } from "vitest";
import { expectRefused, instance, KINDS, setClock, START } from "./playing.js";

interface Data {
  readonly cart: number;
}

describe.each(KINDS)("with %s", (_, of) => {
  test("a session lasts as long as it is used", async () => {
    const redis = await instance();
    const setTime = setClock();
    const all = sessions<Data>(of(redis), { ttlMs: 1000 });
    const { id, ...rest } = await all.create("eve", { cart: 1 });
    expect(rest).toEqual({ user: "eve", data: { cart: 1 }, createdAt: START, ttlMs: 1000 });
    expect(id).toMatch(/^[\w-]{32}$/);
    setTime(START + 99);
    expect(await all.get(id)).toMatchObject({ ttlMs: 901 }); // not worth a write
    setTime(START + 900);
    expect(await all.peek(id)).toMatchObject({ ttlMs: 100 });
    expect(await all.get(id)).toEqual({ id, ...rest });
    setTime(START + 1899);
    expect((await all.get(id))!.data).toEqual({ cart: 1 });
    setTime(START + 2899);
    expect([await all.get(id), await all.touch(id), await all.update(id, { cart: 2 })]).toEqual([null, false, false]);
    expect([await all.rotate(id), await all.destroy(id)]).toEqual([null, false]);
    expect(await redis.keys("*"), "nothing is left of it").toEqual([]);
  });

  test("one that does not slide ends when it said, unless it is touched", async () => {
    const redis = await instance();
    const setTime = setClock();
    const all = sessions<Data>(of(redis), { ttlMs: 1000, sliding: false });
    const { id } = await all.create("eve", { cart: 1 });
    setTime(START + 500);
    expect((await all.get(id))!.ttlMs).toBe(500);
    expect(await all.touch(id)).toBe(true);
    setTime(START + 1499);
    expect((await all.get(id))!.ttlMs).toBe(1);
    setTime(START + 1500);
    expect(await all.get(id)).toBe(null);
  });

  test("its data can be replaced, and its id, which then is nobody's", async () => {
    const redis = await instance();
    const setTime = setClock();
    const all = sessions<Data>(of(redis), { ttlMs: 1000 });
    const { id } = await all.create("eve", { cart: 1 });
    setTime(START + 50);
    expect(await all.update(id, { cart: 2 })).toBe(true);
    expect(await all.peek(id)).toMatchObject({ data: { cart: 2 }, createdAt: START, ttlMs: 950 });
    const rotated = await Promise.all([all.rotate(id), all.rotate(id)]);
    const [next] = rotated.filter((session) => session !== null);
    expect(rotated.filter((session) => session === null).length).toBe(1);
    expect(next!.id).not.toBe(id);
    expect(await all.get(id)).toBe(null);
    expect(await all.get(next!.id)).toMatchObject({ user: "eve", data: { cart: 2 }, ttlMs: 950 });
    expect((await all.list("eve")).map(({ id }) => id)).toEqual([next!.id]);
  });

  test("a user's sessions are listed, the last used first, and ended", async () => {
    const redis = await instance();
    const setTime = setClock();
    const all = sessions<Data>(of(redis), { ttlMs: 1000 });
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      setTime(START + 100 * n);
      ids.push((await all.create("eve", { cart: n })).id);
    }
    setTime(START + 300);
    const other = await all.create("adam", { cart: 9 });
    await all.get(ids[0]!);
    expect((await all.list("eve")).map(({ data }) => data.cart)).toEqual([0, 2, 1]);
    expect(await all.destroy(ids[2]!)).toBe(true);
    setTime(START + 1200); // the second has ended by itself
    expect((await all.list("eve")).map(({ data }) => data.cart)).toEqual([0]);
    expect(await redis.zCard("session:user:eve")).toBe(1);
    const here = await all.create("eve", { cart: 4 });
    await all.create("eve", { cart: 5 });
    expect(await all.destroyAll("eve", here.id)).toBe(2);
    expect((await all.list("eve")).map(({ id }) => id)).toEqual([here.id]);
    expect(await all.destroyAll("eve")).toBe(1);
    expect([await all.list("eve"), await all.destroyAll("eve")]).toEqual([[], 0]);
    expect(await all.peek(other.id)).not.toBe(null);
  });

  test("of too many, those end that were not used for longest", async () => {
    const redis = await instance();
    const setTime = setClock();
    const all = sessions<Data>(of(redis), { ttlMs: 10_000, maxPerUser: 2 });
    const first = await all.create("eve", { cart: 0 });
    setTime(START + 1000);
    const second = await all.create("eve", { cart: 1 });
    setTime(START + 2000);
    await all.get(first.id);
    setTime(START + 3000);
    const third = await all.create("eve", { cart: 2 });
    expect(await all.get(second.id)).toBe(null);
    expect((await all.list("eve")).map(({ id }) => id)).toEqual([third.id, first.id]);
    setTime(START + 4000);
    await Promise.all(Array.from({ length: 10 }, (_, cart) => all.create("eve", { cart })));
    expect((await all.list("eve")).length).toBe(2);
    expect(await redis.keys("session:id:*")).toHaveLength(2);
  });
});

test("of sessions that begin in one millisecond, the later ones stay", async () => {
  setClock();
  const all = sessions<number>(await instance(), { maxPerUser: 2 });
  const begun: string[] = [];
  for (let count = 0; count < 50; count++) {
    begun.push((await all.create("eve", count)).id);
    expect((await all.list("eve")).map(({ id }) => id)).toEqual(begun.slice(-2).reverse());
  }
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  expectRefused([
    ["sessions: ttlMs is a whole number from 1 to 1125899906842624", () => sessions(redis, { ttlMs: 0 })],
    ["sessions: maxPerUser, unless it is Infinity, is a whole number from 1 to 1125899906842624", () => sessions(redis, { maxPerUser: 0 })],
  ]);
  const all = sessions<unknown>(redis);
  await expect(all.create("", {})).rejects.toThrow("sessions: the user is a string that is not empty");
  await expect(all.create("eve", () => {})).rejects.toThrow("sessions: the data is something in JSON");
  await expect(all.get("")).rejects.toThrow("sessions: the id is a string that is not empty");
  expect(await redis.dbsize()).toBe(0);
});
