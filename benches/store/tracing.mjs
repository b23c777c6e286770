// What the tests trace a page with.
import { bundle } from "../browser.mjs";

const code = await bundle(new URL("../../tests/browser/tracing.ts", import.meta.url));

export const { tasksOf } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
