"use client";
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import { isOpen, type Source } from "./bindings.js";
import type { LiveReply, LiveCommand } from "./live-types.js";
import type { Redis } from "./redis.js";

export type { LiveReply, Source, LiveCommand };

const Context = createContext<Redis | undefined>(undefined);

/** What {@link LodisProvider} takes. */
export interface LodisProviderProps {
  /** The instance, or what `open` answers; nothing where there is none, as while a server renders. */
  readonly redis: Source;
  /** The components that are given it. */
  readonly children?: ReactNode;
}

/**
 * Gives the components inside an instance. The promise of one is awaited, and until then there is none; if it is
 * rejected, the error is thrown to the error boundary around.
 */
export function LodisProvider({ redis, children }: LodisProviderProps): ReactElement {
  const [opened, setOpened] = useState<{ source: Source; redis: Redis }>();
  useEffect(() => {
    if (!redis || isOpen(redis)) return;
    let isWanted = true;
    redis.then(
      (instance) => {
        if (isWanted) setOpened({ source: redis, redis: instance });
      },
      (error: unknown) => {
        if (!isWanted) return;
        setOpened(() => {
          throw error;
        });
      },
    );
    return () => {
      isWanted = false;
    };
  }, [redis]);
  const value = isOpen(redis) ? redis : opened?.source === redis ? opened?.redis : undefined;
  return createElement(Context.Provider, { value }, children);
}

/** The instance of the {@link LodisProvider} around, or none: there is none yet, or not on a server. */
export function useRedis(): Redis | undefined {
  return useContext(Context);
}

/** How {@link useLodis} and {@link useLodisQuery} ask. */
export interface UseLodisOptions<T> {
  /** The instance, in place of the one of the {@link LodisProvider} around. */
  readonly redis?: Redis | undefined;
  /** What stands for the reply until there is one: on the server, while its page is hydrated, while a leader is asked. */
  readonly initial?: T | undefined;
}

/** What a query has come to. */
export interface LodisQuery<T> {
  /** The last reply, or `initial`, or `undefined`. */
  readonly value: T;
  /** What the command has answered in place of a reply. */
  readonly error: Error | undefined;
  /** Whether something is asked, and neither a reply nor an error is there. */
  readonly isPending: boolean;
}

/**
 * What a command that only reads answers, kept up to date: `useLodis(["HGETALL", "user:1"])`. The component
 * is rendered again when that changes. Where the data or a copy of it is in this context, the reply is there in the
 * first render; else it is `initial`, or `undefined`, until there is one. `null` in place of a command asks nothing.
 *
 * The reply is the same object for as long as it says the same; it is not to be changed.
 *
 * @throws The error that the command has answered, to the error boundary around. See {@link useLodisQuery}.
 * @example
 * ```tsx
 * import { open } from "lodis";
 * import { LodisProvider, useLodis } from "lodis/react";
 *
 * const redis = open("app");
 *
 * function Name({ id }: { id: number }) {
 *   const user = useLodis(["HGETALL", `user:${id}`]);
 *   return <b>{user?.name ?? "…"}</b>;
 * }
 *
 * export const App = () => (
 *   <LodisProvider redis={redis}>
 *     <Name id={1} />
 *   </LodisProvider>
 * );
 * ```
 */
export function useLodis<const C extends LiveCommand>(
  command: C,
  options: UseLodisOptions<LiveReply<C>> & { readonly initial: LiveReply<C> },
): LiveReply<C>;
export function useLodis<const C extends LiveCommand>(
  command: C | null,
  options?: UseLodisOptions<LiveReply<C>>,
): LiveReply<C> | undefined;
export function useLodis(command: LiveCommand | null, options?: UseLodisOptions<unknown>): unknown {
  const { value, error } = useLodisQuery(command, options as UseLodisOptions<never>);
  if (error) throw error;
  return value;
}

/** As {@link useLodis}, with the error as a value. */
export function useLodisQuery<const C extends LiveCommand>(
  command: C | null,
  options?: UseLodisOptions<LiveReply<C>>,
): LodisQuery<LiveReply<C> | undefined>;
export function useLodisQuery(command: LiveCommand | null, options: UseLodisOptions<unknown> = {}): LodisQuery<unknown> {
  const around = useRedis();
  const redis = options.redis ?? around;
  const asked = redis && command ? redis.live(command) : undefined;
  // Whoever asks for the same as before goes on with what was there.
  const query = useMemo(() => asked, [redis, asked?.key]);
  const [subscribe, snapshot] = query ? [query.subscribe, () => query.error ?? query.getSnapshot()] : [nothing, nowhere];
  const found: unknown = useSyncExternalStore(subscribe, snapshot, nowhere);
  const error = found instanceof Error ? found : undefined;
  const value = error ? query?.getSnapshot() : found;
  return { value: value === undefined ? options.initial : value, error, isPending: command !== null && found === undefined };
}

const nothing = (): (() => void) => () => {};
const nowhere = (): undefined => undefined;
