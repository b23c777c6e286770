// The package with the types that Cloudflare has for Workers.
import { LodisObject, lodisOf, objectStore, type ObjectOptions, type Redis, type RemoteRedis } from "lodis/durable-object";
import { open } from "lodis";
import { rest } from "lodis/rest";

interface Env {
  readonly ROOM: DurableObjectNamespace<Room>;
  readonly OTHER: DurableObjectNamespace;
  readonly TOKEN: string;
}

export class Room extends LodisObject<Env> {
  static override options(env: Env): ObjectOptions {
    return { token: env.TOKEN, maxmemory: "64mb", users: ["guest on nopass ~public:* +@read"] };
  }

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      await this.redis.subscribe("__keyevent@0__:expired", (key: string) => void key);
    });
  }

  async visit(name: string): Promise<number> {
    const redis: Redis = this.redis;
    await redis.zIncrBy("top", 1, name);
    return redis.atomic((tx) => Number(tx.incr("visits")));
  }

  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/ping") return new Response("pong");
    return super.fetch(request);
  }

  override async alarm(): Promise<void> {
    await super.alarm();
  }
}

export class Own implements DurableObject {
  constructor(private readonly ctx: DurableObjectState) {}

  async fetch(request: Request): Promise<Response> {
    const redis = await open("own", { store: objectStore(this.ctx.storage), appendfsync: "always" });
    return rest(redis, { anyone: true })(request);
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    const redis: RemoteRedis = lodisOf(env.ROOM, "room:1");
    const count = Number(await redis.incr("n"));
    const bytes: Uint8Array | null = await redis.bytes.get("k");
    await redis.set("k", "v", { EX: 60, NX: true });
    await redis.pipeline().incr("n").get("k").exec();
    await lodisOf(env.OTHER, "x").ping();
    const stub = env.ROOM.get(env.ROOM.idFromName("room:1"));
    await lodisOf(stub).ping();
    const visits: number = await stub.visit("ann");
    // @ts-expect-error: a name is a string
    lodisOf(env.ROOM, 7);
    // @ts-expect-error: there is no such command
    await redis.noSuchCommand();
    return count + visits > (bytes?.length ?? 0) ? stub.fetch(request) : new Response("few");
  },
} satisfies ExportedHandler<Env>;
