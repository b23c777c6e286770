// One subject in a page of its own.
import { Sampler } from "./sampler.mjs";
import { LOCAL, STORED } from "./subjects.mjs";
import { workloads } from "./workloads.mjs";

let sampler;
let all;

globalThis.bench = {
  async open(name, isShort) {
    sampler = new Sampler(await { ...LOCAL, ...STORED }[name]());
    all = workloads(isShort);
  },
  prepare: (index, isShort) => sampler.prepare(all[index], isShort),
  sample: () => sampler.sample(),
};
