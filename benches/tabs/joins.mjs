// How long it takes until a new tab has its copy.
import { summary } from "../results.mjs";

/** Where a copy comes from; the first one is no copy: the only tab loads the store. */
const KINDS = [
  { what: "the only tab, from the store", options: {}, role: "leader", isAlone: true },
  { what: "a copy, from the store", options: {}, role: "replica" },
  { what: "a copy, from the leader", options: { appendonly: false }, role: "replica" },
];

async function join(tabs, name, { options, role }, count) {
  const tab = await tabs.open();
  const ms = await tab.call("joinTimed", name, options, count, role);
  await tab.close();
  return ms;
}

export async function measureJoins(tabs, { isShort, rounds }) {
  const count = isShort ? 2000 : 100_000;
  const prepared = [];
  for (const kind of KINDS) {
    const name = tabs.newName("joins");
    const [leader] = await tabs.openMany(1, name, kind.options);
    await leader.call("fill", count);
    if (kind.isAlone) await leader.call("close");
    prepared.push({ ...kind, name, leader, samples: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const kind of prepared) kind.samples.push(await join(tabs, kind.name, kind, count));
  }
  for (const { leader } of prepared) await leader.close();
  return prepared.map(({ what, samples }) => ({ what, count, ...summary(samples) }));
}
