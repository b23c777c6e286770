// The entry `lodis/redis`, in place of `redis`, whose file is named for the same reason as in ioredis.ts.
import * as redis from "redis/dist/index.js";
import { inProcessRedis } from "./drop-in.js";

const inProcess = inProcessRedis(redis);

export * from "redis/dist/index.js";

export const { createClient, createClientPool, createCluster, createSentinel } = inProcess;
