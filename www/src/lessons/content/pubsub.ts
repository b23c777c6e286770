import { channelOf, tabDemo } from "../demos/tab.js";
import { answered, any, goal, inSecond, type Lesson, numberOf, ran, stored } from "../lesson.js";

const CHANNEL = "pubsub:tabs";
const HEARD = "pubsub:heard";

const reached = (reply: Parameters<typeof numberOf>[0]): boolean => numberOf(reply) > 0;

export const pubsub: Lesson = {
  id: "pubsub",
  title: "Messages",
  summary: "Channels that reach everybody who listens, from one tab to another.",
  tab: {
    text: `
      This tab is another client of the same store. It listens to the channel \`${CHANNEL}\` in the terminal here,
      and keeps what it hears in the list \`${HEARD}\`.

      Leave it open, go back to the first tab, and publish something there.
    `,
    commands: ["PUBLISH pubsub:news hello"],
    begin: async (stage) => {
      // The terminal's own client: what it keeps, it has heard.
      stage.use((redis) => redis.subscribe(CHANNEL, (message) => redis.lPush(HEARD, message)));
      await stage.run(`SUBSCRIBE ${CHANNEL}`);
      await (await stage.client()).subscribe(channelOf("pubsub"), () => {});
    },
  },
  steps: [
    {
      title: "Listening",
      text: `
        Clients can send each other messages through **channels**. A channel has just a name, and exists for as
        long as somebody listens to it.

        \`SUBSCRIBE\` to one in the second terminal, then \`PUBLISH\` to it from the first. \`PUBLISH\` answers how
        many clients got the message.
      `,
      commands: [{ second: "SUBSCRIBE pubsub:news" }, 'PUBLISH pubsub:news "It rains"'],
      goals: [
        goal("Listen to a channel", ran("SUBSCRIBE|PSUBSCRIBE")),
        goal("Send it a message that somebody gets", answered(reached, "PUBLISH")),
      ],
    },
    {
      title: "Patterns",
      text: `
        \`PSUBSCRIBE\` listens to all channels whose names match a pattern; \`*\` stands for anything. A client that
        listens to a channel by its name and by a pattern gets each message twice.

        \`PUBSUB CHANNELS\` lists the channels that somebody listens to by name.
      `,
      commands: [{ second: "PSUBSCRIBE pubsub:n*" }, 'PUBLISH pubsub:notes "Buy milk"', "PUBSUB CHANNELS pubsub:*"],
      goals: [
        goal("Listen to a pattern", ran("PSUBSCRIBE")),
        goal("Reach it with a message", ran("PSUBSCRIBE"), answered(reached, "PUBLISH")),
        goal("List the channels", ran("PUBSUB", "CHANNELS")),
      ],
    },
    {
      title: "From tab to tab",
      text: `
        All tabs of this page are clients of one store, as programs on many machines are clients of one Redis.
        Open another tab; it listens to \`${CHANNEL}\`. Then come back here and publish.
      `,
      demo: tabDemo("pubsub", "Instead, let the second terminal listen, which is another client too: `SUBSCRIBE pubsub:tabs`."),
      commands: [`PUBLISH ${CHANNEL} "Hello, other tab"`, `LRANGE ${HEARD} 0 -1`],
      goals: [
        goal(`Publish to \`${CHANNEL}\`, and reach somebody`, answered(reached, "PUBLISH", CHANNEL)),
        goal("See that it was heard on the other side", any(
          stored(async (redis) => (await redis.lLen(HEARD)) > 0),
          inSecond(ran("SUBSCRIBE", CHANNEL)),
        )),
      ],
    },
    {
      title: "Nothing is kept",
      text: `
        Whoever is not listening at that moment never gets the message. \`PUBLISH\` answers 0, and it is gone.
        What must not be lost belongs in a list or a stream.
      `,
      commands: ['PUBLISH pubsub:empty "Is anybody there?"', "PUBSUB NUMSUB pubsub:empty"],
      goals: [goal("Publish where nobody listens", answered((reply) => numberOf(reply) === 0, "PUBLISH"))],
    },
  ],
};
