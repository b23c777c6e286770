import type { Redis } from "lodis";
import { Pane } from "lodis/terminal/pane";
import { element } from "../element.js";
import { addressOf } from "../router.js";
import type { Store } from "../store.js";
import type { View } from "../view.js";
import { LESSONS } from "./content/index.js";
import { commandRow } from "./command-row.js";
import { Course } from "./course.js";
import { type Command, isSecond, type Lesson } from "./lesson.js";
import "./lessons.css";
import { paragraphsOf } from "./markup.js";
import { Overview } from "./overview.js";
import { Progress } from "./progress.js";
import { StepView } from "./step-view.js";

/** What stands in the address in place of a step, in a tab that a lesson has opened. */
const TAB = "tab";

/** The lessons: all of them, or one beside the terminal, or what another tab does for one. */
export class LessonsView implements View {
  readonly element = element("section", { class: "lessons", ariaLabel: "Lessons" });
  private readonly progress: Progress;
  private course: Course | undefined;
  private second: Promise<[Pane, Redis]> | undefined;
  private visit = 0;

  constructor(
    private readonly store: Store,
    private readonly pane: Pane,
    /** Shows another terminal below the first, or none. */
    private readonly showSecond: (pane: Pane | undefined) => void,
  ) {
    this.progress = new Progress(() => store.redis);
  }

  /** Shows the list, or a lesson, or a step of it. */
  async show([id, step]: readonly string[]): Promise<void> {
    const lesson = LESSONS.find((one) => one.id === id);
    if (lesson && this.course?.lesson === lesson && step !== TAB) {
      const wanted = step === undefined ? this.course.at : indexOf(step);
      if (wanted !== this.course.at) await this.course.go(wanted);
      return;
    }
    this.hide();
    const visit = ++this.visit;
    if (!lesson) return this.showList(visit);
    if (step === TAB && lesson.tab) return this.showTab(lesson);
    await this.open(lesson, step, visit);
  }

  hide(): void {
    this.visit++;
    this.course?.end();
    this.course = undefined;
    this.showSecond(undefined);
    // Whoever comes next finds a client that has not logged in, subscribed or blocked.
    const { second } = this;
    this.second = undefined;
    void second?.then(([, redis]) => (redis === this.store.redis ? undefined : redis.close())).catch(() => {});
  }

  private async open(lesson: Lesson, step: string | undefined, visit: number): Promise<void> {
    if (lesson.steps.some((one) => one.commands.some(isSecond))) this.second = this.makeSecond(lesson);
    const [second, secondRedis] = (await this.second) ?? [];
    if (visit !== this.visit) return;
    this.showSecond(second);
    const panes = { first: this.pane, second, secondRedis };
    const view = new StepView(this.element, () => course);
    const course: Course = new Course(lesson, this.store, panes, this.progress, (isNewStep) => {
      if (isNewStep) keepPlace(lesson, course.at);
      view.draw(isNewStep);
    });
    this.course = course;
    await course.begin(step === undefined ? undefined : indexOf(step));
  }

  private async makeSecond({ secondStore }: Lesson): Promise<[Pane, Redis]> {
    const redis = await (secondStore?.() ?? this.store.client());
    const pane = new Pane({ prefix: "second-", owner: " of the second client" });
    void pane.terminal.use(redis, () => this.store.withScripts());
    pane.terminal.note(secondStore ? "The second terminal: a small store of its own, in memory." : "The second terminal: another client of the same store.");
    return [pane, redis];
  }

  /** What another tab shows, and does, for a lesson of the first one. */
  private showTab(lesson: Lesson): void {
    const { tab, title } = lesson;
    if (!tab) return;
    document.title = `The other tab · ${title} · Lodis`;
    const course = new Course(lesson, this.store, { first: this.pane, second: undefined, secondRedis: undefined }, this.progress, () => {});
    this.course = course;
    const row = (command: Command): HTMLElement => commandRow(command, course);
    this.element.replaceChildren(
      element("p", { class: "back" }, `${title}: the other tab`),
      element("h2", {}, "The other tab"),
      ...paragraphsOf(tab.text),
      ...(tab.commands.length > 0 ? [element("ul", { class: "commands", ariaLabel: "Commands for this tab" }, ...tab.commands.map(row))] : []),
    );
    void Promise.resolve(tab.begin(course.stage())).catch((error: Error) => this.pane.terminal.note(error.message));
  }

  private async showList(visit: number): Promise<void> {
    const overview = await Overview.read(this.progress);
    if (visit !== this.visit) return;
    overview.draw(this.element, async () => {
      for (const lesson of LESSONS) await this.progress.reset(lesson);
      await this.showList(visit);
    });
  }
}

/** The step that an address names, from 0; the first one if it names none. */
function indexOf(step: string): number {
  return Math.max(Math.trunc(Number(step)) - 1 || 0, 0);
}

/** Has the address name the step: whoever loads the page anew comes back to it. */
function keepPlace({ id }: Lesson, step: number): void {
  const [, before = ""] = location.hash.split("#");
  if (before.startsWith(`/lessons/${id}`)) history.replaceState(history.state, "", addressOf("lessons", id, step + 1));
}
