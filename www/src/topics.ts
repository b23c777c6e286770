import type { Link } from "lodis/terminal/pane";
import { addressOf } from "./router.js";

/** The lessons about what errors have to do with, by topic. */
const LESSONS: Readonly<Record<string, readonly [lesson: string, title: string]>> = {
  start: ["basics", "What Redis is"],
  types: ["basics", "What Redis is"],
  numbers: ["strings", "Strings, counters and time"],
  expiry: ["strings", "Strings, counters and time"],
  lists: ["lists", "Lists as queues"],
  "sorted-sets": ["sorted-sets", "Sorted sets as leaderboards"],
  memory: ["eviction", "When memory is full"],
  security: ["security", "Users and what they may do"],
  scripts: ["rate-limits", "Rate limits"],
  transactions: ["transactions", "Transactions"],
  pubsub: ["pubsub", "Messages"],
  tabs: ["persistence", "What stays"],
  persistence: ["persistence", "What stays"],
  streams: ["streams", "Streams and consumer groups"],
};

/** Where there is more about what an error has to do with. */
export function linkTo(topic: string): Link | undefined {
  const [lesson, title] = LESSONS[topic] ?? [];
  return lesson === undefined ? undefined : { href: addressOf("lessons", lesson), title: `Lesson: ${title}` };
}
