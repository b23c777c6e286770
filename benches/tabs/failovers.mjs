// How long it takes until another tab has taken the place of the one that leads.
import { setTimeout as pause } from "node:timers/promises";
import { summary } from "../results.mjs";
import { now } from "./tabs.mjs";

const CASES = [
  { how: "close", count: 1000 },
  { how: "kill", count: 1000 },
  { how: "close", count: 0 },
  { how: "kill", count: 0 },
];
const TABS = 3;

/** Milliseconds from the end of the leader to an answered write, and to a bare lock. */
async function replace(tabs, how, count) {
  const [leader, ...others] = await tabs.openMany(TABS, tabs.newName(how), {});
  if (count > 0) await leader.call("fill", count);
  await leader.call("hold");
  const ahead = [];
  for (const tab of others) {
    ahead.push(await tab.clock());
    await tab.call("wait");
    await tab.call("write", count === 0);
  }
  while (Math.min(...(await Promise.all(others.map((tab) => tab.call("written"))))) < 20) await pause(10);
  const ended = now();
  await leader[how]();
  const before = await Promise.all(others.map((tab) => tab.call("written")));
  const more = async () => {
    const written = await Promise.all(others.map((tab) => tab.call("written")));
    return written.every((count, i) => count > before[i] + 20);
  };
  while (!(await more())) await pause(20);
  const told = await Promise.all(others.map((tab) => tab.call("stopped")));
  if (count > 0) {
    const sum = told.reduce((sum, { calls }) => sum + calls, 0);
    const counted = await others[0].call("count");
    if (counted !== sum) throw new Error(`${counted} of ${sum} increments`);
  }
  for (const tab of others) await tab.close();
  const earliest = (times) => Math.min(...times.filter((time) => time !== undefined));
  return {
    answered: earliest(told.map(({ answered }, i) => answered - ahead[i])) - ended,
    granted: earliest(told.map(({ granted }, i) => granted && granted - ahead[i])) - ended,
  };
}

export async function measureFailovers(tabs, { isShort, rounds }) {
  const samples = CASES.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { how, count }] of CASES.entries()) {
      if (!isShort || i === 1) samples[i].push(await replace(tabs, how, count));
    }
  }
  return CASES.flatMap(({ how, count }, i) => {
    const [answered, granted] = ["answered", "granted"].map((what) => samples[i].map((sample) => sample[what]));
    if (answered.length === 0) return [];
    return [{ how, count, answered: summary(answered), most: Math.max(...answered), granted: summary(granted) }];
  });
}
