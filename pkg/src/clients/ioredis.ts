// The entry `lodis/ioredis`, in place of `ioredis`. The file of that package is named, and not the package, since
// where it is replaced by this entry, it would be replaced here as well.
import * as ioredis from "ioredis/built/index.js";
import { inProcessIoredis } from "./drop-in.js";

const inProcess = inProcessIoredis(ioredis);

export * from "ioredis/built/index.js";

export const Redis = inProcess.Redis;
export type Redis = ioredis.Redis;
export const Cluster = inProcess.Cluster;
export type Cluster = ioredis.Cluster;
export default Redis;
