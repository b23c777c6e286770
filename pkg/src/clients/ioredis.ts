// The entry `lodis/ioredis`, in place of `ioredis`. The file of that package is named, and not the package, since
// where it is replaced by this entry, it would be replaced here as well.
import * as ioredis from "ioredis/built/index.js";
import { inProcessIoredis } from "./drop-in.js";

const inProcess = inProcessIoredis(ioredis);

export * from "ioredis/built/index.js";

/** The class of ioredis, whose clients are connected to the instances of `server` in `lodis/node`. */
export const Redis = inProcess.Redis;
/** A client, as ioredis has it. */
export type Redis = ioredis.Redis;
/** There are no clusters in a process: throws a TypeError. */
export const Cluster = inProcess.Cluster;
/** The type of what is not there. */
export type Cluster = ioredis.Cluster;
export default Redis;
