// Leaderboards, and their periods by a clock that the test sets.
import { leaderboard, type LeaderboardOptions } from "lodis/patterns";
import { describe, expect, test } from "vitest";
import { chance, expectRefused, instance, KINDS, SEED, setClock } from "./playing.js";

const told = (places: readonly { member: string; score: number; rank: number }[]) =>
  places.map(({ member, score, rank }) => `${rank} ${member} ${score}`);

describe.each(KINDS)("with %s", (_, of) => {
  test("those with the same score share the best of their ranks", async () => {
    const board = leaderboard(of(await instance()), "game");
    const scores = { ali: 50, omar: 70, eve: 70, bo: 50, cy: 10 };
    for (const [member, score] of Object.entries(scores)) await board.set(member, score);
    expect(told(await board.top(10))).toEqual(["1 omar 70", "1 eve 70", "3 bo 50", "3 ali 50", "5 cy 10"]);
    expect(await board.place("ali")).toEqual({ member: "ali", score: 50, rank: 3 });
    expect(await board.place("nobody")).toBe(null);
    expect(told(await board.page(2, 2))).toEqual(["3 bo 50", "3 ali 50"]);
    expect(told(await board.page(2, 3))).toEqual(["3 ali 50", "5 cy 10"]);
    expect(await board.page(9, 3)).toEqual([]);
    expect(told(await board.around("bo", 1))).toEqual(["1 eve 70", "3 bo 50", "3 ali 50"]);
    expect(told(await board.around("omar", 1))).toEqual(["1 omar 70", "1 eve 70"]);
    expect(await board.around("nobody", 1)).toEqual([]);
    expect([await board.size(), await board.remove("cy"), await board.remove("cy"), await board.size()]).toEqual([5, true, false, 4]);
  });

  test("without ties, everybody has a rank, and the least may be the best", async () => {
    const board = leaderboard(of(await instance()), "laps", { order: "asc", ties: "none" });
    expect([await board.submit("a", 30), await board.submit("a", 40), await board.submit("a", 20)]).toEqual([true, false, true]);
    await board.submit("b", 20);
    await board.submit("c", 10.5);
    expect(told(await board.top(3))).toEqual(["1 c 10.5", "2 a 20", "3 b 20"]);
    expect((await board.place("b"))!.rank).toBe(3);
    expect([await board.increment("c", -0.5), await board.increment("new")]).toEqual([10, 1]);
    await board.clear();
    expect(await board.top(3)).toEqual([]);
  });

  test("each period has a board, which is kept for some more", async () => {
    const redis = await instance();
    const setTime = setClock(Date.parse("2026-11-21T23:30:00Z"));
    const board = leaderboard(of(redis), "game", { period: "daily", keep: 1 });
    await board.increment("ali", 5);
    setTime(Date.parse("2026-11-22T00:30:00Z"));
    await board.increment("ali", 1);
    await board.increment("omar", 3);
    expect(told(await board.top(5))).toEqual(["1 omar 3", "2 ali 1"]);
    expect(told(await board.top(5, "2026-11-21"))).toEqual(["1 ali 5"]);
    expect(told(await board.top(5, new Date("2026-11-21T05:00:00Z")))).toEqual(["1 ali 5"]);
    expect(told(await board.merge(["2026-11-21", "2026-11-22"]))).toEqual(["1 ali 6", "2 omar 3"]);
    expect(told(await board.merge(["2026-11-21", "2026-11-22"], { aggregate: "max", into: "best" }))).toEqual(["1 ali 5", "2 omar 3"]);
    expect((await leaderboard(of(redis), "best").place("omar"))!.rank).toBe(2);
    expect((await redis.keys("*")).sort()).toEqual(["board:best", "board:game:daily:2026-11-21", "board:game:daily:2026-11-22"]);
    setTime(Date.parse("2026-11-22T23:59:59.999Z"));
    expect(await board.size("2026-11-21")).toBe(1);
    setTime(Date.parse("2026-11-23T00:00:00Z"));
    expect([await board.size("2026-11-21"), await board.size("2026-11-22"), await board.size()]).toEqual([0, 2, 0]);
  });
});

describe("periods begin when they should", () => {
  const cases: [LeaderboardOptions, at: string, first: string, end: string][] = [
    [{ period: "daily" }, "2026-11-22T12:00:00Z", "2026-11-22", "2026-11-23T00:00:00Z"],
    [{ period: "daily", offsetMinutes: 120 }, "2026-11-22T22:30:00Z", "2026-11-23", "2026-11-23T22:00:00Z"],
    [{ period: "daily", offsetMinutes: -300 }, "2026-11-22T04:30:00Z", "2026-11-21", "2026-11-22T05:00:00Z"],
    [{ period: "weekly" }, "2026-11-22T12:00:00Z", "2026-11-16", "2026-11-23T00:00:00Z"], // a Sunday
    [{ period: "weekly" }, "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30T00:00:00Z"],
    [{ period: "monthly" }, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01T00:00:00Z"],
    [{ period: "monthly", offsetMinutes: 60 }, "2026-12-31T23:59:59Z", "2027-01-01", "2027-01-31T23:00:00Z"],
  ];
  test.each(cases)("%j at %s", async (options, at, first, end) => {
    const redis = await instance();
    setClock(Date.parse(at));
    const board = leaderboard(redis, "game", { ...options, keep: 0 });
    await board.set("a", 1);
    const [key] = await redis.keys("*");
    expect(key).toBe(`board:game:${options.period}:${first}`);
    expect(await redis.pExpireTime(key!)).toBe(Date.parse(end));
    expect(await board.size(first), "the day that it is named after is in it").toBe(1);
  });

  test("and are kept for as many as was said", async () => {
    const redis = await instance();
    setClock(Date.parse("2026-11-22T12:00:00Z"));
    await leaderboard(redis, "game", { period: "monthly", keep: 3 }).set("a", 1);
    expect(await redis.pExpireTime("board:game:monthly:2026-11-01")).toBe(Date.parse("2027-03-01T00:00:00Z"));
  });
});

test(`any board is as a sorted list, LODIS_SEED=${SEED}`, async () => {
  const redis = await instance();
  const to = chance(SEED);
  for (const ties of ["shared", "none"] as const) {
    for (const order of ["desc", "asc"] as const) {
      const board = leaderboard(redis, `${ties} ${order}`, { ties, order });
      const scores = new Map<string, number>();
      for (let step = 0; step < 60; step++) {
        const member = `m${to(40)}`;
        const score = to(12);
        await board.set(member, score);
        scores.set(member, score);
      }
      const sign = order === "asc" ? 1 : -1;
      const list = [...scores].sort(([a, x], [b, y]) => sign * (x - y) || sign * (a < b ? -1 : 1));
      const expected = list.map(([member, score], index) => {
        const better = list.filter(([, other]) => sign * (other - score) < 0).length;
        return { member, score, rank: ties === "shared" ? better + 1 : index + 1 };
      });
      expect(await board.top(100)).toEqual(expected);
      for (let page = 1; page < 8; page++) expect(await board.page(page, 7)).toEqual(expected.slice((page - 1) * 7, page * 7));
      for (const [index, place] of expected.entries()) {
        expect(await board.place(place.member)).toEqual(place);
        expect(await board.around(place.member, 2)).toEqual(expected.slice(Math.max(0, index - 2), index + 3));
      }
    }
  }
});

test("options that are no good are refused", async () => {
  const redis = await instance();
  expectRefused([
    ["leaderboard: the name is a string that is not empty", () => leaderboard(redis, "")],
    ["leaderboard: order is one of desc, asc", () => leaderboard(redis, "a", { order: "up" as never })],
    ["leaderboard: keep is a whole number from 0 to 10000", () => leaderboard(redis, "a", { keep: -1 })],
    ["leaderboard: offsetMinutes is a number from -1440 to 1440", () => leaderboard(redis, "a", { offsetMinutes: NaN })],
  ]);
  const board = leaderboard(redis, "a", { period: "daily" });
  await expect(board.set("a", NaN)).rejects.toThrow("leaderboard: a score is a number");
  await expect(board.set("", 1)).rejects.toThrow("leaderboard: the member is a string that is not empty");
  await expect(board.page(0, 1)).rejects.toThrow("leaderboard: the page is a whole number from 1");
  await expect(board.size("tomorrow")).rejects.toThrow("leaderboard: a period is a Date, or a day as in 2026-11-22");
  await expect(board.merge([])).rejects.toThrow("leaderboard: periods is an array that is not empty");
  await expect(leaderboard(redis, "b").top(1, "2026-11-22")).rejects.toThrow("leaderboard: this one has no periods");
  expect(await redis.dbsize()).toBe(0);
});
