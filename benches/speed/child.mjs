// One subject in a process of its own, so that what the JIT learns of one does not slow another.
import { REMOTE } from "./remote.mjs";
import { Sampler } from "./sampler.mjs";
import { LOCAL } from "./subjects.mjs";
import { workloads } from "./workloads.mjs";

const [, , name, port, isShort] = process.argv;
const commands = await { ...LOCAL, ...REMOTE }[name](Number(port));
const sampler = new Sampler(commands);
const all = workloads(isShort === "true");
const actions = {
  prepare: (index) => sampler.prepare(all[index], isShort === "true"),
  sample: () => sampler.sample(),
  async close() {
    await commands.close();
    process.exit();
  },
};
process.on("message", async ([action, ...args]) => {
  try {
    process.send({ answer: await actions[action](...args) });
  } catch (error) {
    process.send({ error: String(error.stack ?? error) });
  }
});
process.send({ answer: "open" });
