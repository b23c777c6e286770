// What the main thread of a page does, as Chromium traces it.
import type { CDPSession, Page } from "playwright-core";

interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Processor time of the thread in microseconds: what others do on the machine is not in it. */
  readonly tdur?: number;
}

/** A task in which script ran. Times are milliseconds of the processor, garbage collection apart. */
export interface Task {
  /** What `performance.mark` was called with in it. */
  readonly marks: readonly string[];
  /** What callbacks took: those of promises are not among them. */
  readonly callbacks: number;
  /** What the whole task took. */
  readonly whole: number;
}

const CATEGORIES = ["toplevel", "blink.user_timing", "devtools.timeline", "v8"];

/** The tasks of `page` while `work` is done, in order. The work must call `performance.mark`. */
export async function tasksOf(page: Page, work: () => Promise<void>): Promise<Task[]> {
  const session = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await session.send("Tracing.start", {
    traceConfig: { recordMode: "recordAsMuchAsPossible", includedCategories: CATEGORIES, excludedCategories: ["*"] },
    transferMode: "ReportEvents",
  });
  await work();
  await ended(session);
  await session.detach();
  return tasks(events);
}

async function ended(session: CDPSession): Promise<void> {
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
}

function tasks(events: TraceEvent[]): Task[] {
  const main = events.find(({ cat }) => cat === "blink.user_timing");
  if (!main) throw new Error("nothing was marked");
  const mine = events.filter(({ pid, tid }) => pid === main.pid && tid === main.tid);
  mine.sort((a, b) => a.ts - b.ts);
  const tasks: { marks: string[]; callbacks: number; whole: number }[] = [];
  let [taskEnd, callEnd, pauseEnd] = [-1, -1, -1];
  for (const event of mine) {
    const end = event.ts + (event.dur ?? 0);
    const ms = (event.tdur ?? 0) / 1000;
    if (event.name === "ThreadControllerImpl::RunTask") {
      tasks.push({ marks: [], callbacks: 0, whole: ms });
      [taskEnd, callEnd] = [end, -1];
    }
    const task = tasks.at(-1);
    if (!task || event.ts > taskEnd) continue;
    if (event.cat === "blink.user_timing") task.marks.push(event.name);
    if (event.name === "FunctionCall" && event.ts >= callEnd) {
      callEnd = end;
      task.callbacks += ms;
    }
    if ((event.name === "MinorGC" || event.name === "MajorGC") && event.ts >= pauseEnd) {
      pauseEnd = end;
      task.whole -= ms;
      if (event.ts < callEnd) task.callbacks -= ms;
    }
  }
  return tasks.filter(({ callbacks, marks }) => callbacks > 0 || marks.length > 0);
}
