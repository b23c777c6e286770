/** Reports an exception of a listener the way an uncaught one is, and lets the caller go on. */
export function report(error: unknown): void {
  if (typeof globalThis.reportError === "function") {
    globalThis.reportError(error);
  } else {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Listeners by event. A listener that throws does not keep the others from being called. */
export class Events<Map extends Record<string, unknown>> {
  private readonly listeners = new globalThis.Map<keyof Map, Set<(value: never) => void>>();

  /** Adds a listener; answers a function that takes it away. */
  on<E extends keyof Map>(event: E, listener: (value: Map[E]) => void): () => void {
    let set = this.listeners.get(event);
    if (!set) this.listeners.set(event, (set = new Set()));
    // A wrapper, so that the same function added twice is called twice and removed one by one.
    const entry = (value: Map[E]) => listener(value);
    set.add(entry);
    return () => void set.delete(entry);
  }

  emit<E extends keyof Map>(event: E, value: Map[E]): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) {
      try {
        (listener as (value: Map[E]) => void)(value);
      } catch (error) {
        report(error);
      }
    }
  }

  clear(): void {
    this.listeners.clear();
  }
}
