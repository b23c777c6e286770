import { nextTask } from "./task.js";

/** A frame that has not come by then, in milliseconds, is not waited for: nobody may be looking. */
const LATE_MS = 100;

/**
 * Calls `callback` once, before the next frame is painted where something is: in a page that is looked at.
 * Elsewhere, and where frames do not come, in a task of its own.
 */
export function beforeFrame(callback: () => void): void {
  if (globalThis.document?.visibilityState !== "visible" || !("requestAnimationFrame" in globalThis)) {
    void nextTask().then(callback);
    return;
  }
  const run = (): void => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    callback();
  };
  const timer = setTimeout(run, LATE_MS);
  const frame = requestAnimationFrame(run);
}
