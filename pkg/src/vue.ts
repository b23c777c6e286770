import {
  type App,
  getCurrentInstance,
  getCurrentScope,
  hasInjectionContext,
  inject,
  type InjectionKey,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  provide,
  shallowReadonly,
  shallowRef,
  type ShallowRef,
  toValue,
  watch,
} from "vue";
import { isOpen, type Source } from "./bindings.js";
import { report } from "./events.js";
import type { LiveReply, LiveCommand } from "./live-types.js";
import type { LiveQuery } from "./live.js";
import type { Redis } from "./redis.js";

export type { LiveReply, Source, LiveCommand };

/** The instance, once it is open. */
export type Instance = Readonly<ShallowRef<Redis | undefined>>;

const KEY: InjectionKey<Instance> = Symbol("lodis");

/** Gives all components of an app an instance: `app.use(lodis, open("app"))`. The promise of one is awaited. */
export const lodis = {
  /** Called by `app.use`. */
  install(app: Pick<App, "provide">, redis: Source): void {
    app.provide(KEY, opened(redis));
  },
};

/** Gives the components inside the one that is being set up an instance. The promise of one is awaited. */
export function provideLodis(redis: Source): void {
  provide(KEY, opened(redis));
}

/** The instance that was given to the component, once it is open. */
export function useRedis(): Instance {
  return (hasInjectionContext() ? inject(KEY, undefined) : undefined) ?? opened(undefined);
}

/** How {@link useLodis} asks. */
export interface UseLodisOptions<T> {
  /** The instance, in place of the one that was given to the component. */
  readonly redis?: Source;
  /** What stands for the reply until there is one: on the server, while its page is hydrated, while a leader is asked. */
  readonly initial?: T | undefined;
}

/** What a query has come to. */
export interface LodisQuery<T> {
  /** The last reply of the command, or `initial`, or `undefined`. It is not to be changed. */
  readonly data: Readonly<ShallowRef<T>>;
  /** What the command has answered in place of a reply. */
  readonly error: Readonly<ShallowRef<Error | undefined>>;
}

/**
 * What a command that only reads answers, kept up to date:
 * `const { data, error } = useLodis(["HGETALL", "user:1"])`. The command may be a ref or a getter, and is then another
 * one whenever that is; `null` asks nothing. Where the data or a copy of it is in this context, the reply is there
 * at once; else it is `initial`, or `undefined`, until there is one.
 *
 * To be called where a component is set up, or in an effect scope, with which it ends.
 *
 * @throws TypeError anywhere else.
 * @example
 * ```tsx
 * import { useLodis } from "lodis/vue";
 * import { computed, ref } from "vue";
 *
 * const id = ref(1);
 * const { data: user, error } = useLodis(() => ["HGETALL", `user:${id.value}`]);
 * const title = computed(() => error.value?.message ?? user.value?.name ?? "…");
 * ```
 */
export function useLodis<const C extends LiveCommand>(
  command: MaybeRefOrGetter<C>,
  options: UseLodisOptions<LiveReply<C>> & { readonly initial: LiveReply<C> },
): LodisQuery<LiveReply<C>>;
export function useLodis<const C extends LiveCommand>(
  command: MaybeRefOrGetter<C | null>,
  options?: UseLodisOptions<LiveReply<C>>,
): LodisQuery<LiveReply<C> | undefined>;
export function useLodis(
  command: MaybeRefOrGetter<LiveCommand | null>,
  options: UseLodisOptions<unknown> = {},
): LodisQuery<unknown> {
  if (!getCurrentScope()) throw new TypeError("useLodis: there is no component that is set up, and no effect scope");
  const redis = options.redis === undefined ? useRedis() : opened(options.redis);
  const data = shallowRef<unknown>(options.initial);
  const error = shallowRef<Error>();
  let query: LiveQuery<unknown> | undefined;
  const show = (): void => {
    const value = query?.getSnapshot();
    error.value = query?.error;
    data.value = value === undefined ? options.initial : value;
  };
  const ask = (next: LiveQuery<unknown> | undefined): void => {
    if (query?.key === next?.key) return;
    query?.[Symbol.dispose]();
    query = next;
    query?.subscribe(show);
    show();
  };
  const follow = (): void => {
    const asked = (): LiveQuery<unknown> | undefined => {
      const words = toValue(command);
      return words === null ? undefined : redis.value?.live(words);
    };
    watch(asked, ask, { immediate: true, flush: "sync" });
  };
  const instance = getCurrentInstance();
  const scope = getCurrentScope()!;
  // What a server has rendered is to be found first; and it is not to follow anything.
  if (instance && (instance.vnode.el || typeof document === "undefined")) onMounted(() => scope.run(follow));
  else follow();
  onScopeDispose(() => query?.[Symbol.dispose]());
  return { data: shallowReadonly(data), error: shallowReadonly(error) };
}

/** An instance, once it is open. */
function opened(source: Source): Instance {
  const redis = shallowRef(isOpen(source) ? source : undefined);
  if (source && !isOpen(source)) {
    source.then((instance) => (redis.value = instance), report);
  }
  return redis;
}
