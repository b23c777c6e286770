import { answered, any, goal, isFull, type Lesson, numberOf, ran, stored } from "../lesson.js";

const FOLLOWS = { "sets:follows:ada": "SADD sets:follows:ada grace alan linus" };

export const sets: Lesson = {
  id: "sets",
  title: "Sets and who follows whom",
  summary: "Members in no order, each only once, and what two sets have in common.",
  steps: [
    {
      title: "Each only once",
      text: `
        A set holds members in no particular order, and each only once. \`SADD\` answers how many were really new.
        \`SISMEMBER\` tells whether somebody is in it, at once, however large the set is.
      `,
      commands: ["SADD sets:follows:ada grace alan linus", "SADD sets:follows:ada alan", "SISMEMBER sets:follows:ada grace", "SMEMBERS sets:follows:ada"],
      goals: [
        goal("Let Ada follow three people or more", stored(async (redis) => (await redis.sCard("sets:follows:ada")) >= 3)),
        goal("Add somebody again: nobody is new", answered((reply) => numberOf(reply) === 0, "SADD", "sets:follows:ada")),
        goal("Ask whether somebody is in the set", ran("SISMEMBER|SMISMEMBER", "sets:follows:ada")),
      ],
    },
    {
      title: "Comparing sets",
      text: `
        \`SINTER\` answers the members that all sets have, \`SUNION\` those that any of them has, and \`SDIFF\` those
        that only the first has.

        Whom do Ada and Grace both follow? And whom, of those that Ada follows, could be suggested to Grace?
      `,
      commands: ["SADD sets:follows:grace alan ada", "SINTER sets:follows:ada sets:follows:grace", "SDIFF sets:follows:ada sets:follows:grace"],
      given: FOLLOWS,
      goals: [
        goal("Let Grace follow somebody whom Ada follows too", stored(async (redis) => (await redis.sInter(["sets:follows:ada", "sets:follows:grace"])).length > 0)),
        goal("Find whom both follow", answered(isFull, "SINTER")),
        goal("Find what only one of the sets has", ran("SDIFF")),
      ],
    },
    {
      title: "Mutual followers",
      text: `
        Keep both directions: whom somebody follows, and who follows them. The mutual followers are what the two
        sets have in common. \`SINTERSTORE\` keeps the answer as a new set; \`SINTERCARD\` only counts.
      `,
      commands: [
        "SADD sets:followers:ada grace linus ken",
        "SINTERSTORE sets:mutual:ada sets:follows:ada sets:followers:ada",
        "SMEMBERS sets:mutual:ada",
        "SINTERCARD 2 sets:follows:ada sets:followers:ada",
      ],
      given: FOLLOWS,
      goals: [
        goal("Store Ada’s mutual followers in `sets:mutual:ada`", stored(async (redis) => {
          const [mutual, both] = [await redis.sMembers("sets:mutual:ada"), await redis.sInter(["sets:follows:ada", "sets:followers:ada"])];
          return both.length > 0 && [...mutual].sort().join() === [...both].sort().join();
        })),
        goal("Count them", any(ran("SINTERCARD"), ran("SCARD", "sets:mutual:ada"))),
      ],
    },
    {
      title: "Picking at random",
      text: "`SRANDMEMBER` picks members and leaves them in the set. `SPOP` takes them out: winners of a raffle who can win only once.",
      commands: ["SADD sets:raffle a b c d e f", "SRANDMEMBER sets:raffle 2", "SPOP sets:raffle 2", "SCARD sets:raffle"],
      goals: [
        goal("Pick from `sets:raffle` and leave it as it is", answered(isFull, "SRANDMEMBER", "sets:raffle")),
        goal("Take winners out", answered(isFull, "SPOP", "sets:raffle")),
        goal("Count who is left", ran("SCARD|SMEMBERS", "sets:raffle")),
      ],
    },
  ],
};
