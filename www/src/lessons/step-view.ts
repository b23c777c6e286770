import { element } from "../element.js";
import { addressOf } from "../router.js";
import { commandRow } from "./command-row.js";
import { LESSONS } from "./content/index.js";
import type { Course } from "./course.js";
import { paragraphsOf } from "./markup.js";

const LACK = "This browser gives the page no storage, so this step cannot be done here: nothing outlives the page.";

/** A step of a lesson: its text, what is to be done, and how far that is. */
export class StepView {
  private readonly title = element("h2");
  private readonly steps = element("nav", { ariaLabel: "Steps" });
  private readonly heading = element("h3", { tabIndex: -1 });
  private readonly body = element("div");
  private readonly commands = element("ul", { class: "commands", ariaLabel: "Commands of this step" });
  private readonly goals = element("ul", { class: "goals", ariaLabel: "What is to be done" });
  // It stays where it is: only what changes in a place that was there before is said aloud.
  private readonly verdict = element("p", { class: "verdict", role: "status" });
  private readonly ways = element("p", { class: "ways" });
  // How far one is, and how to go on, stays in sight.
  private readonly foot = element("div", { class: "foot" }, this.verdict, this.ways);

  constructor(
    private readonly root: HTMLElement,
    private readonly course: () => Course,
  ) {}

  /** Draws what there is now; `isNewStep` tells that another step was come to. */
  draw(isNewStep: boolean): void {
    const course = this.course();
    const { lesson, step, at, done, met } = course;
    const isDone = done.has(at);
    // Who has the keyboard on something that is drawn anew keeps it.
    const focused = this.root.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : undefined;
    if (isNewStep) this.begin(course);
    this.steps.replaceChildren(stepsOf(course));
    this.commands.hidden = step.commands.length === 0;
    this.commands.replaceChildren(...step.commands.map((command) => commandRow(command, course)));
    const rows = step.goals.map(({ text }, index) => goalRow(text, isDone || met.has(index)));
    this.goals.replaceChildren(...rows);
    this.verdict.dataset.done = String(isDone);
    const verdict = isDone ? verdictOf(course) : `${met.size} of ${step.goals.length} done. ${course.hindrance}`.trim();
    if (this.verdict.textContent !== verdict) this.verdict.textContent = verdict;
    this.ways.replaceChildren(...waysOf(course));
    if (focused && !isNewStep) this.root.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    document.title = `${step.title} · ${lesson.title} · Lodis`;
  }

  private begin(course: Course): void {
    const { lesson, step, at } = course;
    this.title.textContent = lesson.title;
    this.heading.textContent = `${at + 1}. ${step.title}`;
    const figure = course.demo();
    const lack = course.lacksStorage ? [element("p", { class: "demo-blocked" }, LACK)] : [];
    this.body.replaceChildren(...lack, ...paragraphsOf(step.text), ...(figure ? [figure] : []));
    if (!this.root.contains(this.heading)) {
      const reset = { click: () => void this.course().reset() };
      const back = element(
        "p",
        { class: "back" },
        element("a", { href: addressOf("lessons") }, "All lessons"),
        element("button", { type: "button", class: "plain", title: "Forgets what you did in this lesson, and deletes its keys", on: reset }, "Start over"),
      );
      this.root.replaceChildren(back, this.title, this.steps, this.heading, this.body, this.commands, this.goals, this.foot);
    }
    // Who is at the terminal stays there; others go on reading from here.
    const isTyping = document.activeElement?.closest(".terminals");
    if (!isTyping) this.heading.focus({ preventScroll: true });
    this.root.parentElement?.scrollTo(0, 0);
  }
}

function stepsOf({ lesson, at, done }: Course): HTMLElement {
  const links = lesson.steps.map((step, index) => {
    const isDone = done.has(index);
    const attributes = { "data-done": String(isDone), "data-focus": `step-${index}`, ...(index === at ? { "aria-current": "step" } : {}) };
    const ariaLabel = `Step ${index + 1}: ${step.title}${isDone ? " (done)" : ""}`;
    return element("li", {}, element("a", { href: addressOf("lessons", lesson.id, index + 1), title: step.title, ariaLabel, attributes }, String(index + 1)));
  });
  return element("ol", { class: "steps" }, ...links);
}

function goalRow(text: string, isMet: boolean): HTMLElement {
  const state = element("span", { class: "unseen" }, isMet ? "Done: " : "To do: ");
  return element("li", { attributes: { "data-met": String(isMet) } }, state, ...(paragraphsOf(text)[0]?.childNodes ?? []));
}

function verdictOf({ lesson, done }: Course): string {
  return done.size >= lesson.steps.length ? "Done, and with it the lesson." : "Done.";
}

function waysOf(course: Course): HTMLElement[] {
  const { lesson, at, done } = course;
  const link = (text: string, href: string, isNext: boolean, more = ""): HTMLElement =>
    element("a", { class: isNext && done.has(at) ? "plain next" : "plain", href, title: more, attributes: { "data-focus": text, ...(more ? { "aria-label": `${text}: ${more}` } : {}) } }, text);
  const next = LESSONS[LESSONS.indexOf(lesson) + 1];
  const ways: HTMLElement[] = [];
  if (at > 0) ways.push(link("Back", addressOf("lessons", lesson.id, at), false));
  if (at < lesson.steps.length - 1) ways.push(link("Next step", addressOf("lessons", lesson.id, at + 2), true));
  else if (next) ways.push(link("Next lesson", addressOf("lessons", next.id), true, next.title));
  else ways.push(link("See all lessons", addressOf("lessons"), true));
  return ways;
}
