import { burstDemo, LIMIT, scriptsDemo, SLIDING } from "../demos/limits.js";
import { answered, type Check, goal, type Lesson, numberOf, ran, stored } from "../lesson.js";

/** Sees whether twice the limit was let through, in two windows. */
const inTwoWindows: Check = ({ ran: all }) => {
  const passed = all.filter(({ words: [name, key], replies: [reply] }) => /^INCR$/i.test(name ?? "") && key?.startsWith("rate-limits:fixed:") && reply && numberOf(reply) <= LIMIT);
  return passed.length >= 2 * LIMIT && new Set(passed.map(({ words }) => words[1])).size >= 2;
};

export const rateLimits: Lesson = {
  id: "rate-limits",
  title: "Rate limits",
  summary: "Three calls a minute: counted in a window, and exactly, with a script.",
  steps: [
    {
      title: "A fixed window",
      text: `
        Ada may call three times a minute. Count her calls in a key that ends with the minute: \`INCR\` counts, and
        \`EXPIRE … NX\` gives the key its time to live with the first call only. Whoever gets more than 3 from
        \`INCR\` is turned away.
      `,
      commands: ["INCR rate-limits:ada", "EXPIRE rate-limits:ada 60 NX", "INCR rate-limits:ada", "INCR rate-limits:ada", "INCR rate-limits:ada"],
      goals: [
        goal("Let the count end by itself", stored(async (redis) => (await redis.ttl("rate-limits:ada")) > 0)),
        goal("Call until you are above the limit", answered((reply) => numberOf(reply) > LIMIT, "INCR|INCRBY", "rate-limits:ada")),
      ],
    },
    {
      title: "Its weakness",
      text: `
        Often each window has a key of its own, such as \`rate-limits:fixed:17\`. Whoever calls at the very end of
        one window and at the beginning of the next gets twice as much through in a moment.

        See it: windows are four seconds long here, and the button makes six calls around the border of two.
      `,
      demo: burstDemo(false),
      commands: ["KEYS rate-limits:fixed:*"],
      goals: [goal("Get calls through in two windows, one right after the other", inTwoWindows)],
    },
    {
      title: "A sliding window",
      text: `
        Remember each call instead: a sorted set with the time of the call as its score. To decide, remove what is
        older than the window, and count what is left.

        Say it is 12000 now, and the window is 10000 long: whatever was before 2000 no longer counts.
      `,
      commands: ["ZADD rate-limits:log 1000 call-1 4000 call-2 9000 call-3", "ZREMRANGEBYSCORE rate-limits:log -inf 2000", "ZCARD rate-limits:log"],
      goals: [
        goal("Remove the calls before 2000", ran("ZREMRANGEBYSCORE|ZREM|ZPOPMIN|ZREMRANGEBYRANK", "rate-limits:log"), stored(async (redis) => (await redis.zCard("rate-limits:log")) > 0 && (await redis.zCount("rate-limits:log", "-inf", 2000)) === 0)),
        goal("Count the calls that are left", ran("ZCARD|ZCOUNT", "rate-limits:log")),
      ],
    },
    {
      title: "In one step",
      text: `
        Between counting and adding, another client might do the same, and both would get through. A **script** in
        the language Lua runs like one command: nobody gets in between. This one takes the window in milliseconds,
        the limit, and a name for the call. It answers 1 if the call may pass, and 0 if not.

        Most visitors need no scripts, so what runs them is loaded with the first one. That takes a moment.
      `,
      demo: scriptsDemo,
      commands: [1, 2, 3, 4].map((call) => `EVAL "${SLIDING}" 1 rate-limits:exact 60000 ${LIMIT} call-${call}`),
      goals: [
        goal("Let three calls pass", stored(async (redis) => (await redis.zCard("rate-limits:exact")) === LIMIT)),
        goal("See one more refused: the script answers 0", answered((reply) => numberOf(reply) === 0, "EVAL|EVALSHA|FCALL")),
      ],
    },
    {
      title: "Side by side",
      text: `
        Now the same six calls ask both limiters. The sliding window lets no more than three through, wherever the
        border is.

        \`SCRIPT LOAD\` gives the script to Redis once, and \`EVALSHA\` calls it by its digest: that is shorter
        than to send it each time.
      `,
      demo: burstDemo(true),
      commands: [],
      goals: [
        goal("Get six calls through the fixed window", inTwoWindows),
        goal("See the sliding window refuse some of them", answered((reply) => numberOf(reply) === 0, "EVALSHA|EVAL", "*", "1", "rate-limits:sliding")),
      ],
    },
  ],
};
