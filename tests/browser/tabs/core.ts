// What tabs have to get right in every browser.
import { moveMoney } from "./banking.js";
import * as clients from "./clients.js";
import { countWhileLeadersEnd, countWhileLeaderStops, stopProcess } from "./counting.js";
import * as lifecycle from "./lifecycle.js";
import { jobOfTheDead, jobOfTheDeadAndTheLeader, workWhileTabsEnd } from "./queueing.js";
import type { TabsTest } from "./suite.js";

/** How much is done. */
export interface Sizes {
  readonly tabs: number;
  /** How far each tab counts, and how many jobs there are. */
  readonly count: number;
  readonly jobs: number;
  /** How many tabs end while they count, and while they work. */
  readonly ends: number;
  readonly seed: number;
  /** Whether the browser must keep pages that are left. */
  readonly keepsPages: boolean;
}

/** Adds the tests of the core with `test`, which gives each a group with a name of its own. */
export function coreTests(test: TabsTest, sizes: Sizes): void {
  const { tabs, count, jobs, ends, seed, keepsPages } = sizes;

  test(`the sum of ${tabs} tabs is right when ${ends} leaders end, LODIS_SEED=${seed}`, (group) =>
    countWhileLeadersEnd(group, tabs, count, ends, seed),
  );
  test("the sum is right when the process of the leader is stopped, and goes on", (group) =>
    countWhileLeaderStops(group, count / 2, seed, stopProcess, "sent"),
  );
  // What it was storing must not hold up who comes after it.
  test(
    "the sum is right when the process of the leader is stopped while it stores",
    (group) => countWhileLeaderStops(group, 1000, seed, stopProcess),
    { appendfsync: "always" },
  );
  test("jobs taken with BLMOVE are all handled", (group) => workWhileTabsEnd(group, "move", jobs, ends));
  test("jobs taken with BLPOP are all handled", (group) => workWhileTabsEnd(group, "pop", jobs, ends));
  test("the job of a tab that died while blocked goes to another", jobOfTheDead);
  test("the job of a tab that died with the leader goes back", jobOfTheDeadAndTheLeader);

  for (const who of ["follower", "leader"] as const) {
    test(`a ${who} that is gone back to goes on`, (group) => lifecycle.backAndForth(group, who, keepsPages));
  }
  test("the only tab that is gone back to goes on", (group) => lifecycle.backAlone(group, keepsPages));
  test("a leader that is reloaded finds everything", lifecycle.reloading);
  test("commands are answered while the thread of the leader is blocked", (group) =>
    lifecycle.blockedThread(group, 10_000),
  );

  test("messages reach all tabs, and their number is right", clients.messages);
  test("subscriptions outlast the leader", clients.messagesAfterwards);
  test("keyspace events reach all tabs", clients.keyspaceEvents);
  test("WATCH sees the writes of other tabs", clients.watching);
  test("compare and set counts right when leaders die", (group) => clients.compareAndSet(group, 400, 2));
  test("money is moved between accounts, and none is lost, when leaders die", (group) =>
    moveMoney(group, 4, Math.min(count / 25, 400), Math.min(ends, 3), seed),
  );
  test("a lock is held by one when tabs die", (group) => clients.locking(group, 40, 2));
  test("each tab is a client", clients.clients);
  test("a tab does what its user may, whoever leads", clients.restricted);
  test("a monitor is shown what the leader runs", clients.monitoring);
  test("writes of all tabs wait while one has paused them", clients.pausing);
  test("what is read is kept until it changes, or another tab leads", clients.caching);
}
