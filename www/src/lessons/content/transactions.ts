import { raceAlong, raceDemo } from "../demos/race.js";
import { tabDemo } from "../demos/tab.js";
import { answered, type Check, goal, isNil, itemsOf, type Lesson, ran, stored } from "../lesson.js";

const ACCOUNTS = { "transactions:ada": "SET transactions:ada 100", "transactions:grace": "SET transactions:grace 0" };
/** What may come between WATCH and EXEC without breaking it by oneself. */
const HARMLESS = /^(GET|MGET|EXISTS|TTL|STRLEN|TYPE|PING|MULTI|WATCH)$/i;

/** Sees whether EXEC answered nil because somebody else had changed `key`: one's own writes break a WATCH, too. */
function beaten(key: string): Check {
  return ({ ran: all }) => {
    const own = all.filter(({ isSecond }) => !isSecond);
    const lost = own.findLastIndex(({ words, replies }) => /^EXEC$/i.test(words[0] ?? "") && replies.some(isNil));
    const watched = own.slice(0, Math.max(lost, 0)).findLastIndex(({ words }) => /^WATCH$/i.test(words[0] ?? "") && words.includes(key));
    return lost > 0 && watched >= 0 && own.slice(watched, lost).every(({ words }) => HARMLESS.test(words[0] ?? ""));
  };
}

const lostBy = (way: string, is: (lost: number) => boolean): Check =>
  stored(async (redis) => {
    const lost = await redis.hGet("transactions:race", way);
    return lost !== null && is(Number(lost));
  });

const WATCHED = ["WATCH transactions:ada", "GET transactions:ada"] as const;
const DECIDED = ["MULTI", "DECRBY transactions:ada 60", "EXEC"] as const;

export const transactions: Lesson = {
  id: "transactions",
  title: "Transactions",
  summary: "Several commands as one, and how to notice that somebody else was faster.",
  tab: {
    text: `
      This tab is the other client. Take 50 from Ada’s account here, while the first tab is between \`WATCH\` and
      \`EXEC\`. For the race, just leave this tab open: it counts along.
    `,
    commands: ["DECRBY transactions:ada 50", "GET transactions:ada"],
    begin: raceAlong,
  },
  steps: [
    {
      title: "All together",
      text: `
        After \`MULTI\`, commands are only lined up: each answers \`QUEUED\`. \`EXEC\` then runs them all, one behind
        the other, and no other client gets in between. \`DISCARD\` forgets them.

        Move 30 from Ada’s account to Grace’s, so that nobody ever sees the money in neither.
      `,
      commands: ["MSET transactions:ada 100 transactions:grace 0", "MULTI", "DECRBY transactions:ada 30", "INCRBY transactions:grace 30", "EXEC"],
      goals: [
        goal("Run a transaction with two commands or more", answered((reply) => itemsOf(reply).length >= 2, "EXEC")),
        goal("Ada has 70, Grace has 30", stored(async (redis) => (await redis.mGet("transactions:ada", "transactions:grace")).join() === "70,30")),
      ],
    },
    {
      title: "Errors undo nothing",
      text: `
        A command with a wrong name or too few words is refused at once, and then \`EXEC\` refuses everything.

        A command that fails **while it runs** fails alone. The others happen, and Redis does not undo them: here,
        \`INCR\` finds a text that is no number.
      `,
      commands: ["MULTI", "SET transactions:note hi", "INCR transactions:note", "EXEC", "GET transactions:note"],
      goals: [
        goal("Let one command of a transaction fail", answered((reply) => itemsOf(reply).some((item) => item.type === "error"), "EXEC")),
        goal("See that another one happened", answered((reply) => itemsOf(reply).some((item) => item.type !== "error"), "EXEC"), ran("GET|MGET|EXISTS|STRLEN")),
      ],
    },
    {
      title: "A race, and how to notice it",
      text: `
        Often you read something, decide, and write. In between, somebody else may have changed what you read.

        \`WATCH\` the key first. If anybody changes it before your \`EXEC\`, then \`EXEC\` answers \`(nil)\` and does
        nothing. Then you begin again: read, decide, try. Here, the second terminal is faster.
      `,
      commands: [...WATCHED, { second: "DECRBY transactions:ada 50" }, ...DECIDED],
      given: ACCOUNTS,
      goals: [
        goal("Watch `transactions:ada`", ran("WATCH", "transactions:ada")),
        goal("Lose the race: `EXEC` answers `(nil)`, because the second client wrote in between", beaten("transactions:ada")),
      ],
    },
    {
      title: "The same from another tab",
      text: `
        The other client can just as well be another tab. Open it, come back here, and run \`WATCH\` and \`GET\`.
        Then go to the other tab, take 50 from the account, and come back for the rest.
      `,
      demo: tabDemo("transactions", "Instead, take the money in the second terminal: `DECRBY transactions:ada 50`."),
      commands: [...WATCHED, ...DECIDED],
      given: ACCOUNTS,
      goals: [goal("Lose to another client: `EXEC` answers `(nil)`", beaten("transactions:ada"))],
    },
    {
      title: "Counting the losses",
      text: `
        Now two clients count to 300 together, each 150 times, as fast as they can, with one counter. With \`GET\`
        and then \`SET\`, they overwrite each other, and some of the counting is lost. With \`WATCH\` they notice,
        and try again. And \`INCR\` needs neither, because it is one step.

        If another tab is open for this lesson, the two tabs race; otherwise, two clients of this one.
      `,
      demo: tabDemo("transactions", "That does not matter: two clients of this tab race instead.", raceDemo),
      commands: ["GET transactions:counter"],
      goals: [
        goal("Race with `GET` and `SET` until something is lost", lostBy("GET and SET", (lost) => lost > 0)),
        goal("Race with `WATCH`: nothing is lost", lostBy("WATCH", (lost) => lost === 0)),
      ],
    },
  ],
};
