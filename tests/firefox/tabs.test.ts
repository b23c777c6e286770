// Tabs of Firefox, each a process of its own, that share a name: the core of what Chromium's are tried in.
import { coreTests } from "../browser/tabs/core.js";
import { endings, SEED, tabsOf } from "../browser/tabs/suite.js";
import { Firefox } from "./firefox.js";

const ends = endings(3);
/** A longer form counts further, so that there is counting when leaders end. */
const count = Math.max(10_000, 5000 * (ends - 3));

const sizes = { tabs: 5, count, jobs: 2000, ends, seed: SEED, keepsPages: false };
coreTests(tabsOf(() => Firefox.start(), ends), sizes);
