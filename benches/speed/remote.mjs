// Clients of a real redis-server.
import { ofIoredis } from "./subjects.mjs";

async function ioredis(port) {
  const { Redis } = await import("ioredis");
  return ofIoredis(new Redis({ port, host: "127.0.0.1" }));
}

async function nodeRedis(port) {
  const { createClient } = await import("redis");
  const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  return {
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    incr: (key) => client.incr(key),
    hset: (key, field, value) => client.hSet(key, field, value),
    hget: (key, field) => client.hGet(key, field),
    hgetall: (key) => client.hGetAll(key),
    lpush: (key, element) => client.lPush(key, element),
    rpop: (key) => client.rPop(key),
    sadd: (key, member) => client.sAdd(key, member),
    sismember: (key, member) => client.sIsMember(key, member),
    zadd: (key, score, value) => client.zAdd(key, { score, value }),
    zincrby: (key, by, member) => client.zIncrBy(key, by, member),
    zrange: (key, start, stop) => client.zRange(key, start, stop),
    zrevrank: (key, member) => client.zRevRank(key, member),
    xadd: (key, field, value) => client.xAdd(key, "*", { [field]: value }),
    xrange: (key, count) => client.xRange(key, "-", "+", { COUNT: count }),
    // Commands of one tick share a write, which is what this client calls pipelining.
    pipeline: (list) => Promise.all(list.map((words) => client.sendCommand(words.map(String)))),
    clear: () => client.flushAll(),
    close: () => client.destroy(),
  };
}

/** What needs a server on a port. */
export const REMOTE = { redis: nodeRedis, ioredis };
