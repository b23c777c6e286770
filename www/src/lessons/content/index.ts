import type { Lesson } from "../lesson.js";
import { basics } from "./basics.js";
import { caching } from "./caching.js";
import { eviction } from "./eviction.js";
import { geo } from "./geo.js";
import { hashes } from "./hashes.js";
import { hyperloglog } from "./hyperloglog.js";
import { lists } from "./lists.js";
import { locks } from "./locks.js";
import { persistence } from "./persistence.js";
import { pipelining } from "./pipelining.js";
import { pubsub } from "./pubsub.js";
import { rateLimits } from "./rate-limits.js";
import { scanning } from "./scanning.js";
import { security } from "./security.js";
import { sessions } from "./sessions.js";
import { sets } from "./sets.js";
import { sortedSets } from "./sorted-sets.js";
import { streams } from "./streams.js";
import { strings } from "./strings.js";
import { transactions } from "./transactions.js";

/** Lessons that belong together. */
export const PARTS: readonly { readonly title: string; readonly lessons: readonly Lesson[] }[] = [
  { title: "First steps", lessons: [basics, strings, lists, hashes, sets, sortedSets] },
  { title: "Several clients", lessons: [pubsub, streams, transactions, locks] },
  { title: "What people build with it", lessons: [caching, sessions, rateLimits, hyperloglog, geo] },
  { title: "How it works", lessons: [persistence, eviction, pipelining, scanning, security] },
];

/** All lessons, in the order in which they are best taken. */
export const LESSONS: readonly Lesson[] = PARTS.flatMap(({ lessons }) => lessons);
