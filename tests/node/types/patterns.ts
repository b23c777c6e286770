// Compiled, never run: the types of patterns that a user of the package sees.
import type { Redis } from "lodis";
import {
  bytes, cache, type Job, leaderboard, type LimitResult, lock, type Place, queue, type RedisLike, sessions, streamWorker,
  tokenBucket, writeBehind,
} from "lodis/patterns";
import { cache as cacheAlone } from "lodis/patterns/cache";
import { queue as queueAlone } from "lodis/patterns/queue";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

declare const redis: Redis;
/** An instance is all that is needed. */
const like: RedisLike = redis;

interface User {
  readonly name: string;
}

const users = cache<User>(like, { ttlMs: 1000, staleMs: 10 });
same<ReturnType<typeof users.get>, Promise<User | undefined>>(true);
void users.get("key", async (key, { signal }) => (signal.aborted ? undefined : { name: key }));
// @ts-expect-error a load answers what the cache is of
void users.get("key", () => 1);
// @ts-expect-error a cache is given how long a value is fresh
cache<User>(redis, {});
cacheAlone<Uint8Array>(redis, { ttlMs: 1, serializer: bytes });
// @ts-expect-error what keeps bytes keeps nothing else
cache<User>(redis, { ttlMs: 1, serializer: bytes });

void lock(redis, "name").use(async (held) => {
  same<typeof held.token, number>(true);
  same<typeof held.signal, AbortSignal>(true);
});
// @ts-expect-error there is no such option
lock(redis, "name", { ttl: 1 });

same<Awaited<ReturnType<ReturnType<typeof tokenBucket>["limit"]>>, LimitResult>(true);
// @ts-expect-error a bucket says what comes back
tokenBucket(redis, { capacity: 1 });

const jobs = queue<User>(redis, "name");
void jobs.add({ name: "eve" }, { delayMs: 1 });
// @ts-expect-error a job is what the queue is of
void jobs.add({ name: 1 });
queueAlone<User>(redis, "name").work((job) => same<typeof job, Job<User>>(true), { concurrency: 2 });

streamWorker(redis, "stream", ({ fields }) => same<typeof fields, Readonly<Record<string, string>>>(true), { group: "g" });
// @ts-expect-error a worker is of a group
streamWorker(redis, "stream", () => {}, {});

const behind = writeBehind<User>(redis, "name");
same<Awaited<ReturnType<typeof behind.get>>, User | undefined>(true);
behind.flush((changes) => same<(typeof changes)[number]["value"], User | undefined>(true));

const signedIn = sessions<User>(redis);
same<Awaited<ReturnType<typeof signedIn.get>> extends { data: User } | null ? true : false, true>(true);

same<Awaited<ReturnType<ReturnType<typeof leaderboard>["top"]>>, Place[]>(true);
// @ts-expect-error there is no such period
leaderboard(redis, "name", { period: "yearly" });
