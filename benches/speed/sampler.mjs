// Measures one workload of one subject, a sample at a time, so that samples of subjects alternate.

/** How long a sample is to take, in milliseconds. */
const SPAN = 25;
/** How long it may take to make what is there before, in milliseconds. */
const PATIENCE = 15_000;
/** Calls between two looks at the clock while the number of calls is found. */
const FIRST = 16;

/** How long samples are taken that nobody looks at, in milliseconds: compilers are still busy. */
const WARM = 300;

class TooSlow extends Error {}

export class Sampler {
  #commands;
  #workload;
  #run;
  #calls;

  constructor(commands) {
    this.#commands = commands;
  }

  /** Whether the subject can do the work. */
  static can(commands, workload) {
    const used = new Set();
    const spy = new Proxy({}, { get: (_, name) => (used.add(name), () => Promise.resolve([])) });
    try {
      workload.run(spy)(0);
    } catch {
      // What it does with replies does not matter here.
    }
    used.delete("isSync");
    return [...used].every((name) => typeof commands[name] === "function");
  }

  /** Fills, checks a reply, and finds how many calls a sample is: "yes", "no" or "too slow". */
  async prepare(workload, isShort) {
    const commands = this.#commands;
    if (!Sampler.can(commands, workload)) return "no";
    await commands.clear();
    const deadline = performance.now() + PATIENCE;
    const impatient = new Proxy(commands, {
      get(target, name) {
        if (performance.now() > deadline) throw new TooSlow();
        return target[name];
      },
    });
    try {
      await workload.fill(impatient);
    } catch (error) {
      if (error instanceof TooSlow) return "too slow";
      throw error;
    }
    this.#workload = workload;
    this.#run = workload.run(commands);
    await workload.before?.(commands);
    for (let i = 0; i < FIRST; i++) {
      const reply = await this.#run(i);
      if (!workload.check(reply)) throw new Error(`${workload.name}: ${JSON.stringify(reply)}`);
    }
    this.#calls = workload.calls ?? FIRST;
    if (isShort) return "yes";
    if (!workload.calls) await this.#findCalls();
    const warm = performance.now() + WARM;
    while (performance.now() < warm) await this.sample();
    return "yes";
  }

  async #findCalls() {
    for (;;) {
      const ms = await this.#spend();
      if (ms >= SPAN / 2) return;
      this.#calls = Math.ceil(this.#calls * (ms < 1 ? 8 : Math.min(8, SPAN / ms)));
    }
  }

  /** Nanoseconds per command. */
  async sample() {
    await this.#workload.before?.(this.#commands);
    const ms = await this.#spend();
    return (ms * 1e6) / (this.#calls * (this.#workload.ops ?? 1));
  }

  async #spend() {
    const [run, calls] = [this.#run, this.#calls];
    // Replies are looked at, or a compiler would leave the work out.
    let missing = 0;
    const begun = performance.now();
    if (this.#commands.isSync) {
      for (let i = 0; i < calls; i++) if (run(i) === undefined) missing++;
    } else {
      for (let i = 0; i < calls; i++) if ((await run(i)) === undefined) missing++;
    }
    const ms = performance.now() - begun;
    if (missing > 0) throw new Error(`${this.#workload.name}: ${missing} replies are missing`);
    return ms;
  }
}
