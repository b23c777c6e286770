/** What a page tells an instance of itself. */
export interface PageEvents {
  /** It is hidden, or about to end. */
  hidden(): void;
  /** It will be frozen, or is put into the back/forward cache. */
  leave(): void;
  /** It is back. */
  come(): void;
}

/** Listens to the page, if there is one; answers what ends that. */
export function listenToPage(page: PageEvents): () => void {
  const { document } = globalThis;
  if (!document) return () => {};
  const ended = new AbortController();
  const { signal } = ended;
  const onHidden = (): void => {
    if (document.visibilityState === "hidden") page.hidden();
  };
  const onHide = (event: PageTransitionEvent): void => (event.persisted ? page.leave() : page.hidden());
  const onShow = (event: PageTransitionEvent): void => {
    if (event.persisted) page.come();
  };
  document.addEventListener("visibilitychange", onHidden, { signal });
  document.addEventListener("freeze", () => page.leave(), { signal });
  document.addEventListener("resume", () => page.come(), { signal });
  globalThis.addEventListener("pagehide", onHide, { signal });
  globalThis.addEventListener("pageshow", onShow, { signal });
  return () => ended.abort();
}
