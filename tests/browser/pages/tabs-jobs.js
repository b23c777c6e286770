// What the tabs of a test do all at the same time, to be killed while they do. Every job checks what it
// is answered, and throws where that cannot be.

/** Numbers below a bound, the same ones for the same seed. */
function random(seed) {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Lets other tasks run for a while, which in a page that nobody looks at would be long. */
function nextTask() {
  if (!document.hidden) return new Promise((resolve) => setTimeout(resolve, 4));
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** At most so many increments in one step: in requests of their own, and in one request. */
const BURST = 20;
const BATCH = 150;

/**
 * Counts `shared` up, and with it a counter of its own, which nobody else touches, `from` where it was
 * to `target`: what is done twice, or lost, or comes in another order shows in the replies.
 */
async function count({ redis, ask, id, told }, { shared, from, target, seed }) {
  const to = random(seed);
  const own = `${shared}:${id}`;
  told.progress = from;
  let seen = 0;
  const see = (value) => {
    if (!(value > seen)) throw new Error(`${shared} was ${seen}, and then ${value}`);
    seen = value;
  };
  const mine = (value, by) => {
    told.progress += by;
    if (value !== told.progress) throw new Error(`${own} is ${value}, not ${told.progress}`);
  };
  const both = (replies) => replies.forEach((reply, i) => (i % 2 ? mine(reply, 1) : see(reply)));
  const incr = (key) => ask(`INCR ${key}`, redis.incr(key));
  const batch = async (commands, what, left) => {
    const size = Math.min(left, 1 + to(BATCH));
    for (let i = 0; i < size; i++) commands.incr(shared);
    const replies = await ask(what, commands.incrby(own, size).exec());
    replies.slice(0, -1).forEach(see);
    mine(replies.at(-1), size);
  };
  const steps = [
    async () => {
      see(await incr(shared));
      mine(await incr(own), 1);
    },
    async (left) => {
      const size = Math.min(left, 1 + to(BURST));
      const asked = Array.from({ length: size }, () => [incr(shared), incr(own)]);
      both(await Promise.all(asked.flat()));
    },
    (left) => batch(redis.pipeline(), "a pipeline", left),
    (left) => batch(redis.multi(), "a transaction", left),
    async () => {
      const [all, some] = await Promise.all([shared, own].map((key) => ask(`GET ${key}`, redis.get(key))));
      if (Number(all) < seen) throw new Error(`read ${all} of ${shared}, which was ${seen}`);
      if (Number(some) !== told.progress) throw new Error(`read ${some} of ${own}, not ${told.progress}`);
    },
  ];
  while (told.progress < target) {
    await steps[to(steps.length)](target - told.progress);
    // The tab that has the data would do everything in one task.
    await nextTask();
  }
}

/** Pushes jobs with the numbers below `jobs`, so many at a time. */
async function produce({ redis, ask, told }, { queue, jobs }) {
  while (told.progress < jobs) {
    const size = Math.min(50, jobs - told.progress);
    const numbers = Array.from({ length: size }, (_, i) => told.progress + i);
    await ask("RPUSH", redis.rpush(queue, ...numbers.map(String)));
    told.progress += size;
  }
}

/** Does what `handle` does with jobs of a queue, in several loops, until it is told to stop. */
async function work({ told }, loops, handle) {
  const loop = async (number) => {
    while (!told.isStopped) if (await handle(number)) told.progress++;
  };
  await Promise.all(Array.from({ length: loops }, (_, number) => loop(number)));
}

/** Takes jobs over a list of its own, from which they are put back should it die. */
function move(tab, { queue, loops }) {
  const { redis, ask, id } = tab;
  const processing = `${queue}:processing:${id}`;
  return work(tab, loops, async () => {
    const job = await ask("BLMOVE", redis.blmove(queue, processing, "LEFT", "RIGHT", 1));
    if (job === null) return false;
    await ask("RPUSH", redis.rpush(`${queue}:handled`, `${job} ${id}`));
    const removed = await ask("LREM", redis.lrem(processing, 1, job));
    if (removed !== 1) throw new Error(`${job} was ${removed} times in ${processing}`);
    return true;
  });
}

/** Takes jobs with nothing to fall back on. */
function pop(tab, { queue, loops }) {
  const { redis, ask, id } = tab;
  return work(tab, loops, async () => {
    const popped = await ask("BLPOP", redis.blpop(queue, 1));
    if (popped === null) return false;
    await ask("RPUSH", redis.rpush(`${queue}:handled`, `${popped[1]} ${id}`));
    return true;
  });
}

/** Counts `key` up by reading and writing it, `target` times, in transactions that others may spoil. */
async function compare({ redis, ask, told }, { key, target }) {
  told.spoiled = 0;
  while (told.progress < target) {
    await ask("WATCH", redis.watch(key));
    const value = Number(await ask("GET", redis.get(key)));
    const transaction = redis.multi().set(key, String(value + 1)).incr(`${key}:done`);
    const done = ask("EXEC", transaction.exec());
    // Another tab has come to have the data since WATCH, and does not know of it.
    const replies = await done.catch((error) => {
      if (error.code !== "EXECABORT") throw error;
      return null;
    });
    if (replies === null) told.spoiled++;
    else told.progress++;
  }
}

/**
 * Takes a lock, `target` times and until it is stopped, and does under it what no two may do at once: what
 * it finds there says whether another has been there meanwhile.
 */
async function lock({ redis, ask, id, told }, { key, target, px }) {
  const release = async (token) => {
    for (;;) {
      await ask("WATCH", redis.watch(key));
      const holder = await ask("GET", redis.get(key));
      if (holder !== token) return void (await ask("UNWATCH", redis.unwatch()));
      const done = ask("EXEC", redis.multi().del(key).exec());
      const replies = await done.catch((error) => {
        if (error.code !== "EXECABORT") throw error;
        return null;
      });
      if (replies !== null) return;
    }
  };
  while (told.progress < target || !told.isStopped) {
    const token = `${id} ${told.progress}`;
    const since = performance.now();
    const taken = await ask("SET NX", redis.set(key, token, "NX", "PX", px));
    if (taken !== "OK") {
      const holder = await ask("GET", redis.get(key));
      if (holder === token) throw new Error(`SET NX answered ${taken}, and has set ${token}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
      continue;
    }
    told.holds = true;
    await nextTask(); // for others to see that it does
    await ask("RPUSH", redis.rpush(`${key}:log`, `in ${token}`));
    const value = Number(await ask("GET", redis.get(`${key}:value`)));
    await ask("SET", redis.set(`${key}:value`, String(value + 1)));
    const late = performance.now() - since > px;
    await ask("RPUSH", redis.rpush(`${key}:log`, `${late ? "late" : "out"} ${token}`));
    await release(token);
    told.holds = false;
    told.progress++;
  }
}

/**
 * Moves money between accounts, `target` times, in callbacks of `atomic`, and counts what it has moved with
 * a counter of its own. Nobody ever sees more money than there is, or less.
 */
async function bank({ redis, ask, id, told }, { accounts, each, target, seed }) {
  const to = random(seed);
  const keys = Array.from({ length: accounts }, (_, i) => `account:${i}`);
  const own = `moved:${id}`;
  const count = (balances, where) => {
    const sum = balances.reduce((sum, balance) => sum + Number(balance), 0);
    if (sum !== accounts * each) throw new Error(`there is ${sum} in ${where}: ${balances}`);
  };
  const look = () => {
    let balances;
    try {
      balances = redis.sync.mGet(keys);
    } catch (error) {
      if (error.code === "READONLY") return; // another tab has just come to lead
      throw error;
    }
    count(balances, `the copy of ${id}, ${redis.role}`);
  };
  const move = (tx) => {
    const [from, into, amount] = [keys[to(accounts)], keys[to(accounts)], 1 + to(each)];
    told.runs = (told.runs ?? 0) + 1;
    if (to(4) === 0) count(tx.mGet(keys), `a callback of ${id}`);
    tx.incrBy(into, amount);
    if (tx.decrBy(from, amount) < 0) throw "poor";
    return tx.incr(own);
  };
  while (told.progress < target) {
    const moved = await ask("atomic", redis.atomic(move)).catch((error) => {
      if (error !== "poor" && error.code !== "CONFLICT") throw error;
    });
    if (moved !== undefined && moved !== ++told.progress) {
      throw new Error(`${own} is ${moved}, not ${told.progress}`);
    }
    look();
    await nextTask();
    look();
  }
}

export const jobs = { count, produce, move, pop, compare, lock, bank };
