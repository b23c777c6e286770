// Tabs as clients of one server: messages, transactions, locks, and what the server says of them.
import { expect } from "vitest";
import { becomes, type Group, type Tab, until } from "./tab.js";

type Heard = [kind: string, channel: string, message: string];

const heard = (tab: Tab) => tab.call<Heard[]>("heard");
const run = <T = unknown>(tab: Tab, ...words: string[]) => tab.call<T>("run", ...words);

/** Every tab hears what every tab publishes, and PUBLISH says how many have. */
export async function messages(group: Group): Promise<void> {
  const tabs = await group.openMany(4);
  const [first, second, third, fourth] = tabs as [Tab, Tab, Tab, Tab];
  await first.call("subscribe", "channel", "news", "sport");
  await second.call("subscribe", "channel", "news");
  await third.call("subscribe", "pattern", "n?ws", "*t");
  await third.call("subscribe", "channel", "news");
  await fourth.call("subscribe", "shard", "news");
  for (const [i, tab] of tabs.entries()) {
    expect(await run(tab, "PUBLISH", "news", `n${i}`), "receivers of news").toBe(4);
    expect(await run(tab, "PUBLISH", "sport", `s${i}`), "receivers of sport").toBe(2);
    expect(await run(tab, "SPUBLISH", "news", `p${i}`), "receivers of the shard").toBe(1);
    expect(await run(tab, "PUBLISH", "nobody", "hears"), "receivers of nothing").toBe(0);
    expect(await run(tab, "PUBSUB", "NUMSUB", "news", "sport")).toEqual(["news", 3, "sport", 1]);
  }
  const all = (kind: string, channel: string, by: string) => tabs.map((_, i): Heard => [kind, channel, `${by}${i}`]);
  const both = (kind: string) => all(kind, "news", "n").flatMap((news, i) => [news, [kind, "sport", `s${i}`]]);
  await becomes(() => heard(first), both("channel"));
  await becomes(() => heard(second), all("channel", "news", "n"));
  await becomes(async () => (await heard(third)).filter(([kind]) => kind === "pattern"), both("pattern"));
  await becomes(async () => (await heard(third)).filter(([kind]) => kind === "channel"), all("channel", "news", "n"));
  await becomes(() => heard(fourth), all("shard", "news", "p"));
  await second.call("unsubscribe", "channel", "news");
  expect(await run(fourth, "PUBLISH", "news", "more")).toBe(3);
  await group.lose(third, "kill");
  await becomes(() => run(fourth, "PUBLISH", "news", "more"), 1);
}

/** Subscriptions of tabs that live on outlast the tab that has the data. */
export async function messagesAfterwards(group: Group): Promise<void> {
  const tabs = await group.openMany(3);
  for (const tab of tabs) {
    await tab.call("subscribe", "channel", "news");
    await tab.call("subscribe", "pattern", "ne*");
    await tab.call("subscribe", "shard", "shard");
  }
  await group.lose(await group.leader(), "kill");
  const [first, second] = group.live as [Tab, Tab];
  await becomes(() => run(first, "PUBLISH", "news", "after"), 4);
  expect(await run(second, "SPUBLISH", "shard", "after")).toBe(2);
  for (const tab of [first, second]) {
    await becomes(async () => (await heard(tab)).filter(([kind]) => kind === "shard"), [["shard", "shard", "after"]]);
    expect(await heard(tab)).toEqual(expect.arrayContaining([["channel", "news", "after"]]));
  }
}

/** What happens to keys is told in every tab, whoever does it, and of keys that expire as well. */
export async function keyspaceEvents(group: Group): Promise<void> {
  const tabs = (await group.openMany(3)) as [Tab, Tab, Tab];
  const [first, second, third] = tabs;
  expect(await run(second, "CONFIG", "SET", "notify-keyspace-events", "KEA")).toBe("OK");
  for (const tab of tabs) await tab.call("subscribe", "pattern", "__key*__:*");
  await run(first, "SET", "a", "1");
  await run(second, "LPUSH", "list", "x");
  await run(third, "SET", "gone", "1", "PX", "30");
  const expected: Heard[] = [
    ["pattern", "__keyspace@0__:a", "set"],
    ["pattern", "__keyevent@0__:lpush", "list"],
    ["pattern", "__keyevent@0__:expired", "gone"],
  ];
  for (const tab of tabs) {
    await becomes(async () => {
      const told = (await heard(tab)).map(String);
      return expected.map((wanted) => told.filter((each) => each === String(wanted)).length);
    }, expected.map(() => 1));
  }
}

/** Transactions that watch a key see what other tabs do to it. */
export async function watching(group: Group): Promise<void> {
  const tabs = await group.openMany(3);
  for (const mine of tabs) {
    for (const other of tabs.filter((tab) => tab !== mine)) {
      await run(mine, "SET", "key", "0");
      expect(await run(mine, "WATCH", "key")).toBe("OK");
      await run(other, "SET", "key", "theirs");
      expect(await mine.call("transact", ["SET", "key", "mine"]), "the reply to EXEC").toBe(null);
      expect(await run(mine, "GET", "key")).toBe("theirs");
      await run(mine, "WATCH", "key");
      await run(other, "GET", "key");
      expect(await mine.call("transact", ["SET", "key", "mine"], ["INCR", "n"])).toEqual(["OK", expect.any(Number)]);
      expect(await run(other, "GET", "key")).toBe("mine");
    }
  }
}

/** Tabs count by comparing and setting, while those that have the data are killed. */
export async function compareAndSet(group: Group, target: number, kills: number): Promise<void> {
  const targets = new Map<string, number>();
  const start = async (tab: Tab) => {
    targets.set(tab.id, target);
    await tab.call("start", "compare", { key: "value", target });
  };
  for (const tab of await group.openMany(3)) await start(tab);
  let told = 0;
  for (let kill = 0; kill < kills; kill++) {
    const leader = await group.leader();
    const others = group.live.filter((tab) => tab !== leader);
    // Those that stay are not to be done before.
    await until("increments", async () => {
      const looks = await group.looks(others);
      return looks.every(({ progress }) => progress >= (target * (kill + 1)) / (kills + 2)) || undefined;
    });
    told += (await group.look(leader)).progress;
    targets.delete(leader.id);
    await group.lose(leader, "kill");
    await start(await group.open());
  }
  await group.finished();
  const least = told + [...targets.values()].reduce((sum, each) => sum + each, 0);
  for (const tab of group.live) {
    const [value, done] = await Promise.all(["value", "value:done"].map((key) => run(tab, "GET", key)));
    expect(value, "what was counted by reading and setting").toBe(done);
    expect(Number(done), "transactions").toBeGreaterThanOrEqual(least);
  }
  const spoiled = (await group.looks()).reduce((sum, look) => sum + look.spoiled!, 0);
  expect(spoiled, "transactions that others have spoiled").toBeGreaterThan(0);
}

/** A lock as people build it: no two hold it, and that of one that dies is free after its time. */
export async function locking(group: Group, target: number, kills: number): Promise<void> {
  const key = "lock";
  const start = (tab: Tab) => tab.call("start", "lock", { key, target, px: 3000 });
  for (const tab of await group.openMany(4)) await start(tab);
  for (let kill = 0; kill < kills; kill++) {
    // First the one that has the data, then one that has the lock.
    const victim = await until("a victim", async () => {
      const looks = await group.looks();
      const is = kill % 2 ? looks.findIndex(({ holds }) => holds) : looks.findIndex(({ role }) => role === "leader");
      return looks.some(({ progress }) => progress > (target * kill) / (kills + 1)) ? group.live[is] : undefined;
    });
    await group.lose(victim, "kill");
    await start(await group.open());
  }
  for (const tab of group.live) await tab.call("stop");
  await group.finished();
  const log = await run<string[]>(group.live[0]!, "LRANGE", `${key}:log`, "0", "-1");
  let [holder, outs, ins] = ["", 0, 0];
  for (const entry of log) {
    const [what, id, number] = entry.split(" ") as [string, string, string];
    if (what === "in") {
      const previous = holder.split(" ")[0]!;
      if (holder !== "" && !group.dead.has(previous)) throw new Error(`${id} came in while ${holder} was there`);
      holder = `${id} ${number}`;
      ins++;
    } else {
      if (what === "out") expect(`${id} ${number}`, "who goes out").toBe(holder);
      holder = "";
      outs++;
    }
  }
  const value = Number(await run(group.live[0]!, "GET", `${key}:value`));
  expect(value).toBeGreaterThanOrEqual(outs);
  expect(value).toBeLessThanOrEqual(ins);
  expect(outs).toBeGreaterThanOrEqual(target * group.live.length);
}

/** Every tab is a client of its own, as long as it lives. */
export async function clients(group: Group): Promise<void> {
  const tabs = await group.openMany(4);
  for (const tab of tabs) expect(await run(tab, "CLIENT", "SETNAME", tab.id)).toBe("OK");
  const listed = async (from: Tab) => {
    const lines = (await run<string>(from, "CLIENT", "LIST")).trim().split("\n");
    const entries = lines.map((line) => /id=(\d+) .* name=(\S*) /.exec(line)!);
    return new Map(entries.filter(([, , name]) => name !== "").map(([, id, name]) => [name!, id!]));
  };
  for (const tab of tabs) {
    const list = await listed(tab);
    expect([...list.keys()].sort(), "names").toEqual(tabs.map(({ id }) => id).sort());
    expect(list.get(tab.id), "its own id").toBe(String(await run(tab, "CLIENT", "ID")));
    expect(new Set(list.values()).size, "ids").toBe(tabs.length);
  }
  const [leader, follower] = [await group.leader(), await group.follower()];
  // Flags are each client's own, and killing by a name that all are told reaches the one that is meant.
  const flagged = async () => {
    const list = await run<string>(leader, "CLIENT", "LIST");
    return tabs.filter(({ id }) => new RegExp(` name=${id} .* flags=\\S*e`).test(list)).map(({ id }) => id);
  };
  expect(await run(follower, "CLIENT", "NO-EVICT", "ON")).toBe("OK");
  expect(await flagged()).toEqual([follower.id]);
  expect(await run(follower, "CLIENT", "NO-EVICT", "OFF")).toBe("OK");
  expect(await flagged()).toEqual([]);
  const before = await listed(leader);
  expect(await run(leader, "CLIENT", "KILL", "ID", before.get(follower.id)!)).toBe(1);
  await becomes(async () => [...(await listed(leader)).values()].includes(before.get(follower.id)!), false);
  // It goes on as one that connects again.
  await becomes(async () => String(await run(follower, "CLIENT", "ID")) !== before.get(follower.id), true);
  expect(await run(follower, "CLIENT", "SETNAME", follower.id)).toBe("OK");
  await group.lose(follower, "kill");
  await becomes(async () => [...(await listed(leader)).keys()].includes(follower.id), false);
}

/** A monitor is shown what the leader runs, whoever asked for it, and whoever leads. */
export async function monitoring(group: Group): Promise<void> {
  const tabs = (await group.openMany(3)) as [Tab, Tab, Tab];
  const monitor = await group.follower();
  await monitor.call("monitor");
  const shown = async () => {
    const lines = await monitor.call<string[]>("monitored");
    return lines.map((line) => /"set" "(.*)" "1"$/i.exec(line)?.[1]).filter((key) => key !== undefined);
  };
  for (const tab of tabs) await run(tab, "SET", tab.id, "1");
  await becomes(shown, tabs.map(({ id }) => id));
  await group.lose(await group.leader(), "kill");
  await until("a line of the new leader", async () => {
    await run(monitor, "SET", "after", "1");
    return (await shown()).includes("after") || undefined;
  });
  await monitor.call("unmonitor");
  const count = (await shown()).length;
  for (const tab of group.live) await run(tab, "SET", tab.id, "1");
  expect(await shown()).toHaveLength(count);
}

/** While one has paused them, writes of all tabs wait. */
export async function pausing(group: Group): Promise<void> {
  await group.openMany(3);
  const [leader, follower] = [await group.leader(), await group.follower()];
  expect(await run(follower, "SET", "k", "1")).toBe("OK");
  expect(await run(follower, "CLIENT", "PAUSE", "60000", "WRITE")).toBe("OK");
  for (const tab of [leader, follower]) await tab.call("begin", "INCR", "k");
  const answered = async () => {
    const looks = await group.looks([leader, follower]);
    return looks.flatMap(({ later }) => (later ? [later.reply] : [])).sort();
  };
  const other = group.live.find((tab) => tab !== leader && tab !== follower)!;
  expect(await run(other, "GET", "k")).toBe("1");
  expect(await answered()).toEqual([]);
  expect(await run(other, "CLIENT", "UNPAUSE")).toBe("OK");
  await becomes(answered, [2, 3]);
  expect(await run(leader, "CLIENT", "PAUSE", "100")).toBe("OK");
  expect(await run(follower, "INCR", "k")).toBe(4);
}

/** A tab that keeps what it has read is told when others change it, and everything if another one leads. */
export async function caching(group: Group): Promise<void> {
  const tabs = await group.openMany(3);
  const told = (tab: Tab) => tab.call<unknown[]>("invalidated");
  for (const tab of tabs) expect(await tab.call("track")).toBe("OK");
  for (const writer of tabs) {
    for (const tab of tabs) await tab.call("read", "key");
    expect(await run(writer, "SET", "key", writer.id)).toBe("OK");
    for (const tab of tabs) await becomes(() => tab.call("read", "key"), writer.id);
  }
  for (const tab of tabs) expect(await told(tab), "messages").toEqual([["key"], ["key"], ["key"]]);
  await group.lose(await group.leader(), "kill");
  const [first, second] = group.live as [Tab, Tab];
  for (const tab of group.live) {
    await becomes(async () => (await told(tab)).slice(3), [null]);
    await tab.call("read", "key");
  }
  expect(await run(first, "SET", "key", "after")).toBe("OK");
  for (const tab of group.live) await becomes(() => tab.call("read", "key"), "after");
  // A client that is killed gets another one, whoever leads.
  await first.call("subscribe", "channel", "news");
  for (const killer of [first, second]) {
    for (const tab of group.live) {
      const id = String(await run(tab, "CLIENT", "ID"));
      expect(await run(killer, "CLIENT", "KILL", "ID", id, "SKIPME", "no"), "sessions killed").toBe(1);
      await becomes(async () => String(await run(tab, "CLIENT", "ID")) !== id, true);
      await becomes(() => run(second, "PUBLISH", "news", "hi"), 1);
      await tab.call("read", "key");
      await run(killer, "SET", "key", id);
      await becomes(() => tab.call("read", "key"), id);
    }
  }
}

/** A tab whose user may not do everything neither reads nor writes what it may not, whoever leads. */
export async function restricted(group: Group): Promise<void> {
  const users = ["alice on >pw ~app:* +@read +@write +@transaction +acl|whoami"];
  const first = await group.open({ users });
  await group.open({ users });
  const alice = await group.open({ users, username: "alice", password: "pw" });
  const noKey = "ReplyError: NOPERM No permissions to access a key";
  const looksLike = async (user: string) => {
    expect(await run(alice, "ACL", "WHOAMI")).toBe(user);
    expect(await run(alice, "SET", "app:k", user)).toBe("OK");
    expect(await run(alice, "GET", "app:k")).toBe(user);
    await becomes(() => alice.call("sync", "GET", "app:k"), user);
    expect(await run(alice, "GET", "secret")).toBe(noKey);
    expect(await alice.call("sync", "GET", "secret")).toBe(noKey);
    expect(await alice.call("sync", "SET", "secret", "x")).toBe(noKey);
    expect(await run(alice, "SET", "secret", "x")).toBe(noKey);
    expect(await alice.call("transact", ["GET", "app:k"], ["GET", "secret"])).toMatch(/EXECABORT/);
    expect(await run(alice, "BLPOP", "secret", "0")).toBe(noKey);
    expect(await run(alice, "CLIENT", "LIST")).toMatch(/NOPERM/);
  };
  expect(await run(first, "SET", "secret", "s")).toBe("OK");
  await looksLike("alice");
  // What the leader was told goes to whoever leads next, and who was authenticated still is.
  expect(await run(first, "ACL", "SETUSER", "alice", "-del")).toBe("OK");
  expect(await run(alice, "DEL", "app:k")).toMatch(/NOPERM User alice/);
  await group.lose(await group.leader(), "kill");
  await looksLike("alice");
  expect(await run(alice, "DEL", "app:k")).toMatch(/NOPERM User alice/);
  const other = group.live.find((tab) => tab !== alice)!;
  expect(await run(other, "GET", "secret")).toBe("s");
  await group.lose(other, "kill");
  expect(await group.leader()).toBe(alice);
  await looksLike("alice");
  expect(await run(alice, "DEL", "app:k")).toMatch(/NOPERM User alice/);
}
