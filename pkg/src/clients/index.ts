// The entry `lodis/node`: connections to instances in this process, for Node's streams and its clients of Redis.
export { type Instance, type Source, createConnection } from "./connect.js";
export { type ConnectorClass, connector } from "./connector.js";
export { inProcessIoredis, inProcessRedis } from "./drop-in.js";
export { type Listener, listen } from "./listen.js";
export type { Connection } from "./pipe.js";
export { closeServers, flushServers, server } from "./servers.js";
