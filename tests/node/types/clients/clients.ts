// Compiled, never run: the npm clients with what `lodis/node` gives them.
import type { Duplex } from "node:stream";
import { Redis, type RedisOptions } from "ioredis";
import { open } from "lodis";
import InProcess, { Cluster, Redis as Named, type RedisOptions as Same } from "lodis/ioredis";
import { type Connection, connector, createConnection, inProcessIoredis, inProcessRedis, listen, server } from "lodis/node";
import { createClient as create } from "lodis/redis";
import * as redisModule from "redis";
import { createClient } from "redis";

export async function uses(): Promise<void> {
  const lodis = await open("app");
  const socket: Connection = createConnection(lodis);
  const duplex: Duplex = socket.setNoDelay(true).setTimeout(100, () => {});
  duplex.end();
  createConnection(() => open("later"));
  // @ts-expect-error: a client of Redis is no instance
  createConnection(new Redis());

  const client = new Redis({ Connector: connector(lodis), db: 1 });
  const options: RedisOptions = { Connector: connector(Promise.resolve(lodis)) };
  const Connector = connector(lodis);
  new Redis({ ...options, Connector });
  const text: string | null = await client.get("k");

  await using listener = await listen(lodis, "/tmp/lodis.sock");
  const other = await createClient({ socket: listener.socket, RESP: 3 }).connect();
  await other.set("k", text ?? "v");

  const replaced = inProcessIoredis({ Redis });
  const replacing: Redis = new replaced.Redis("redis://localhost");
  await replacing.quit();
  await inProcessRedis(redisModule).createClient({ url: "redis://localhost" }).connect();
  const settings: Same = { host: "localhost" };
  const dropped: Named = new InProcess(settings);
  dropped.duplicate();
  new Cluster([]);
  await create({ database: 1 }).connect();
  const found = await server("localhost:6379", { databases: 4 });
  const keys: number = await found.dbSize();
  keys.toFixed();
}
