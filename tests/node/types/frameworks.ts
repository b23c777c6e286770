// Compiled, never run: the types of the bindings for frameworks.
import type { Redis } from "lodis";
import { LodisProvider, useLodis as inReact, useLodisQuery, useRedis } from "lodis/react";
import { live, provideLodis as provideInSvelte } from "lodis/svelte";
import { lodis, provideLodis, useLodis as inVue } from "lodis/vue";
import { createElement } from "react";
import { type App, ref } from "vue";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(_: Same<A, B>): void {}

type User = { [field: string]: string };

export function react(redis: Redis, opening: Promise<Redis>, id: number | null): void {
  const user = inReact(["HGETALL", "user:1"]);
  is<typeof user, User | undefined>(true);
  const known = inReact(["HGETALL", "user:1"], { initial: { name: "…" } });
  is<typeof known, User>(true);
  const perhaps = inReact(id === null ? null : ["GET", `user:${id}`], { redis });
  is<typeof perhaps, string | null | undefined>(true);
  const { value, error, isPending } = useLodisQuery(["ZCARD", "board"]);
  is<typeof value, number | undefined>(true);
  is<typeof error, Error | undefined>(true);
  is<typeof isPending, boolean>(true);
  const around = useRedis();
  is<typeof around, Redis | undefined>(true);
  for (const source of [redis, opening, undefined]) createElement(LodisProvider, { redis: source });
  // @ts-expect-error a provider has an instance, or none
  createElement(LodisProvider, {});
  // @ts-expect-error the first value is of the reply's type
  inReact(["GET", "k"], { initial: 1 });
}

export function vue(app: App, redis: Redis, opening: Promise<Redis>): void {
  app.use(lodis, opening);
  provideLodis(redis);
  const id = ref(1);
  const { data, error } = inVue(() => ["HGETALL", `user:${id.value}`]);
  is<typeof data.value, User | undefined>(true);
  is<typeof error.value, Error | undefined>(true);
  const { data: known } = inVue(["GET", "k"], { initial: null });
  is<typeof known.value, string | null>(true);
  // @ts-expect-error what a query has come to is only read
  data.value = {};
}

export function svelte(redis: Redis): void {
  provideInSvelte(redis);
  const user = live(["HGETALL", "user:1"]);
  is<typeof user.current, User | undefined>(true);
  user.subscribe((value) => is<typeof value, User | undefined>(true))();
  const known = live(() => ["GET", "k"], { initial: "", redis });
  is<typeof known.current, string | null>(true);
}
