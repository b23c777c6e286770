import { all, answered, type Lesson, ran } from "../lesson.js";

export const pubsub: Lesson = {
  id: "pubsub",
  title: "Messages",
  summary: "Channels that reach everybody who listens, in all tabs of this page.",
  steps: [
    {
      title: "Listening",
      text: `
        A channel has a name and nothing else: it is there as long as somebody listens. \`SUBSCRIBE\` in the second
        terminal, then \`PUBLISH\` here. It answers how many got the message.
      `,
      commands: [{ second: "SUBSCRIBE pubsub:news" }, 'PUBLISH pubsub:news "It rains"'],
      check: answered((reply) => reply.type === "integer" && Number(reply.text) > 0, "PUBLISH", "pubsub:news"),
    },
    {
      title: "Patterns",
      text: `
        \`PSUBSCRIBE\` listens to all channels whose names match a pattern. A client that listens to both ways gets
        the message twice.
      `,
      commands: [{ second: "PSUBSCRIBE pubsub:n*" }, 'PUBLISH pubsub:notes "Buy milk"', "PUBSUB CHANNELS pubsub:*"],
      check: all(
        answered((reply) => reply.type === "integer" && Number(reply.text) > 0, "PUBLISH", "pubsub:notes"),
        ran("PUBSUB", "CHANNELS"),
      ),
    },
    {
      title: "Nothing is kept",
      text: `
        Who does not listen at that moment never gets the message: 0 receivers, and it is gone. What must not be
        lost belongs in a list or a stream.

        Open this page in another tab and subscribe there as well, if you like: all tabs are clients of one store.
      `,
      commands: [{ second: "UNSUBSCRIBE" }, { second: "PUNSUBSCRIBE" }, 'PUBLISH pubsub:news "Too late"'],
      check: answered((reply) => reply.type === "integer" && reply.text === "0", "PUBLISH", "pubsub:news"),
    },
  ],
};
