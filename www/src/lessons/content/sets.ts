import { all, type Lesson, ran, stored } from "../lesson.js";

export const sets: Lesson = {
  id: "sets",
  title: "Sets and who follows whom",
  summary: "Members without order, each once, and what two sets have in common.",
  steps: [
    {
      title: "Each once",
      text: `
        A set holds members in no order, each once. \`SADD\` answers how many were new, \`SISMEMBER\` whether one is
        there: at once, however large the set is.
      `,
      commands: ["SADD sets:follows:ada grace alan linus", "SADD sets:follows:ada alan", "SISMEMBER sets:follows:ada grace", "SMEMBERS sets:follows:ada"],
      check: all(stored(async (redis) => (await redis.sCard("sets:follows:ada")) >= 3), ran("SISMEMBER", "sets:follows:ada")),
    },
    {
      title: "In common",
      text: `
        \`SINTER\` answers the members that all sets have, \`SUNION\` those of any, \`SDIFF\` those of the first that
        no other has. Whom do Ada and Grace both follow, and whom could Grace be told of?
      `,
      commands: ["SADD sets:follows:grace alan ada", "SINTER sets:follows:ada sets:follows:grace", "SDIFF sets:follows:ada sets:follows:grace"],
      check: all(ran("SINTER"), ran("SDIFF")),
    },
    {
      title: "Mutual followers",
      text: `
        Keep both directions: whom somebody follows, and by whom somebody is followed. The mutual ones are what
        the two sets of one person have in common. \`SINTERSTORE\` keeps the answer as a set, and \`SINTERCARD\`
        only counts.
      `,
      commands: [
        "SADD sets:followers:ada grace linus ken",
        "SINTERSTORE sets:mutual:ada sets:follows:ada sets:followers:ada",
        "SMEMBERS sets:mutual:ada",
        "SINTERCARD 2 sets:follows:ada sets:followers:ada",
      ],
      check: all(stored(async (redis) => (await redis.sCard("sets:mutual:ada")) >= 2), ran("SINTERCARD")),
    },
    {
      title: "By chance",
      text: "`SRANDMEMBER` answers members by chance and leaves them, `SPOP` takes them out: winners of a raffle who win once.",
      commands: ["SADD sets:raffle a b c d e f", "SRANDMEMBER sets:raffle 2", "SPOP sets:raffle 2", "SCARD sets:raffle"],
      check: all(ran("SRANDMEMBER", "sets:raffle"), ran("SPOP", "sets:raffle"), stored(async (redis) => (await redis.sCard("sets:raffle")) <= 5)),
    },
  ],
};
