const KEY = "lodis-playground:crash";

/** What was known when a lesson had the page crash. */
export type Crash = Readonly<Record<string, string>>;

/**
 * Ends the page as a crash does, and loads it anew: nothing in it is told, so nothing that waits is stored.
 * What is `known` outlives it in this tab.
 */
export function crash(known: Crash): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // Without storage nothing outlives it: that can be seen, too.
  }
  for (const type of ["beforeunload", "pagehide", "unload", "visibilitychange", "freeze"]) {
    addEventListener(type, (event) => event.stopImmediatePropagation(), { capture: true });
  }
  location.reload();
}

/** What was known when the page was crashed last, in this tab. */
export function lastCrash(): Crash | undefined {
  try {
    const known: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return typeof known === "object" && known !== null ? (known as Crash) : undefined;
  } catch {
    return undefined;
  }
}

/** Forgets it. */
export function forgetCrash(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // There was nothing to forget.
  }
}
