// The entry `lodis/redis`, in place of `redis`, whose file is named for the same reason as in ioredis.ts.
import * as redis from "redis/dist/index.js";
import { inProcessRedis } from "./drop-in.js";

const inProcess = inProcessRedis(redis);

export * from "redis/dist/index.js";

/** That of redis; the client is connected to an instance of `server` in `lodis/node`. */
export const createClient = inProcess.createClient;
/** That of redis; the clients are connected to an instance of `server` in `lodis/node`. */
export const createClientPool = inProcess.createClientPool;
/** There are no clusters in a process: throws a TypeError. */
export const createCluster = inProcess.createCluster;
/** There are no sentinels in a process: throws a TypeError. */
export const createSentinel = inProcess.createSentinel;
