// Tabs that move money between accounts with redis.atomic(), while those that have the data end.
import { expect } from "vitest";
import { becomes, type Group, type Tab, until } from "./tab.js";

const ACCOUNTS = 8;
const EACH = 100;

/** So many tabs move money so often, while so many of those that have the data are killed. */
export async function moveMoney(
  group: Group,
  tabs: number,
  target: number,
  ends: number,
  seed: number,
): Promise<void> {
  const told = new Map<string, number>();
  const start = (tab: Tab): Promise<void> => {
    told.set(tab.id, 0);
    return tab.call("start", "bank", { accounts: ACCOUNTS, each: EACH, target, seed: seed + told.size });
  };
  const progress = async (): Promise<number> => {
    const { live } = group;
    (await group.looks()).forEach((look, i) => told.set(live[i]!.id, look.progress));
    return [...told.values()].reduce((sum, each) => sum + each, 0);
  };
  const workers = await group.openMany(tabs);
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => `account:${i}`);
  await workers[0]!.call("run", "MSET", ...accounts.flatMap((key) => [key, String(EACH)]));
  for (const tab of workers) await becomes(() => tab.call("run", "GET", accounts[0]), String(EACH));
  for (const tab of workers) await start(tab);
  for (let end = 0; end < ends; end++) {
    const wanted = (tabs * target * (end + 1)) / (ends + 2);
    await until(`${wanted} transfers`, async () => (await progress()) >= wanted || undefined);
    await group.lose(await group.leader(), "kill");
    await start(await group.open());
  }
  await group.finished();
  await progress();
  const moved = [...told.keys()].map((id) => `moved:${id}`);
  const read: Record<string, string> = {};
  for (const tab of group.live) {
    const balances = await tab.call<string[]>("run", "MGET", ...accounts);
    expect(balances.reduce((sum, balance) => sum + Number(balance), 0), `all there is in ${tab.id}`).toBe(ACCOUNTS * EACH);
    read[tab.id] = `${balances} ${await tab.call("run", "MGET", ...moved)}`;
  }
  expect(new Set(Object.values(read)).size, `what all tabs read is the same: ${JSON.stringify(read)}`).toBe(1);
  const counted = await group.live[0]!.call<(string | null)[]>("run", "MGET", ...moved);
  for (const [i, [id, count]] of [...told].entries()) {
    if (group.dead.has(id)) expect(Number(counted[i]), `what ${id} has moved`).toBeGreaterThanOrEqual(count);
    else expect(Number(counted[i]), `what ${id} has moved`).toBe(target);
  }
}
