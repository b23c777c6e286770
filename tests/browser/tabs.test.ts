// Tabs of Chromium, each a process of its own, that share a name, and end in every way there is.
import { Chromium } from "./tabs/chromium.js";
import { coreTests } from "./tabs/core.js";
import { endings, SEED, tabsOf } from "./tabs/suite.js";

const ends = endings(6);
/** A longer form counts further, so that there is counting when leaders end. */
const count = Math.max(10_000, 5000 * (ends - 6));

const sizes = { tabs: 8, count, jobs: 10_000, ends, seed: SEED, keepsPages: true };
coreTests(tabsOf(() => Chromium.start(), ends), sizes);
