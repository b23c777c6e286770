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

/** A task in which script ran. */
export interface Task {
  /** What `performance.mark` was called with in it. */
  readonly marks: readonly string[];
  /** Milliseconds of processor time that script took, garbage collection apart. */
  readonly ms: number;
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
  const tasks: (Task & { marks: string[]; ms: number })[] = [];
  let [taskEnd, callEnd, pauseEnd] = [-1, -1, -1];
  let inScript = 0;
  for (const event of mine) {
    const end = event.ts + (event.dur ?? 0);
    const ms = (event.tdur ?? 0) / 1000;
    if (event.name === "ThreadControllerImpl::RunTask") {
      tasks.push({ marks: [], ms: 0 });
      [taskEnd, callEnd, pauseEnd, inScript] = [end, -1, -1, 0];
    }
    const task = tasks.at(-1);
    if (!task || event.ts > taskEnd) continue;
    if (event.cat === "blink.user_timing") task.marks.push(event.name);
    if (event.name === "FunctionCall" && event.ts >= callEnd) {
      [callEnd, inScript] = [end, inScript + 1];
      task.ms += ms;
    }
    if ((event.name === "MinorGC" || event.name === "MajorGC") && event.ts < callEnd && event.ts >= pauseEnd) {
      pauseEnd = end;
      task.ms -= ms;
    }
  }
  return tasks.filter(({ ms, marks }) => ms > 0 || marks.length > 0);
}
