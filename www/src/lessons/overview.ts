import { element } from "../element.js";
import { addressOf } from "../router.js";
import { LESSONS, PARTS } from "./content/index.js";
import type { Lesson } from "./lesson.js";
import type { Progress } from "./progress.js";

/** All lessons, and how far one has got. */
export class Overview {
  private constructor(private readonly done: ReadonlyMap<Lesson, ReadonlySet<number>>) {}

  static async read(progress: Progress): Promise<Overview> {
    return new Overview(new Map(await Promise.all(LESSONS.map(async (lesson) => [lesson, await progress.done(lesson.id)] as const))));
  }

  /** `reset` forgets everything that was done. */
  draw(root: HTMLElement, reset: () => Promise<void>): void {
    root.replaceChildren(
      element("h2", {}, "Learn Redis here"),
      element("p", {}, "Each lesson takes some minutes, and there is nothing to install: Redis runs in this page, and every step is checked against what is really stored. Begin at the top, or take what you need; each stands for itself."),
      ...this.summary(reset),
      ...PARTS.flatMap(({ title, lessons }) => [element("h3", {}, title), element("ul", { class: "cards" }, ...lessons.map((lesson) => this.card(lesson)))]),
    );
    document.title = "Lessons · Lodis";
  }

  private stepsDone(lesson: Lesson): number {
    return lesson.steps.filter((_, index) => this.done.get(lesson)?.has(index)).length;
  }

  private isDone(lesson: Lesson): boolean {
    return this.stepsDone(lesson) === lesson.steps.length;
  }

  private summary(reset: () => Promise<void>): HTMLElement[] {
    const steps = LESSONS.reduce((sum, lesson) => sum + lesson.steps.length, 0);
    const done = LESSONS.reduce((sum, lesson) => sum + this.stepsDone(lesson), 0);
    const lessons = LESSONS.filter((lesson) => this.isDone(lesson)).length;
    // Where one was last, if that can be told, else the first that is left.
    const next = LESSONS.find((lesson) => this.stepsDone(lesson) > 0 && !this.isDone(lesson)) ?? LESSONS.find((lesson) => !this.isDone(lesson));
    const way = next && element("a", { class: "plain next", href: addressOf("lessons", next.id) }, `${done === 0 ? "Begin" : "Go on"}: ${next.title}`);
    const said = done === 0 ? `${LESSONS.length} lessons, ${steps} steps.` : `${lessons} of ${LESSONS.length} lessons and ${done} of ${steps} steps are done.`;
    const bar = element("progress", { max: steps, value: done, ariaLabel: "Steps done" });
    return [
      element("p", { class: "progress" }, bar, said),
      element("p", { class: "ways" }, way, done > 0 ? resetButton(reset) : undefined),
    ];
  }

  private card(lesson: Lesson): HTMLElement {
    const { id, title, summary, steps } = lesson;
    const done = this.stepsDone(lesson);
    const state = done === 0 ? `${steps.length} steps` : done < steps.length ? `${done} of ${steps.length} steps done` : "Done";
    return element(
      "li",
      { attributes: { "data-done": String(done >= steps.length) } },
      element("a", { href: addressOf("lessons", id) }, title),
      element("p", {}, summary),
      element("p", { class: "card-state" }, state),
    );
  }
}

/** It asks once more before it does it. */
function resetButton(reset: () => Promise<void>): HTMLElement {
  const button = element("button", { type: "button", class: "plain" }, "Start over with all");
  let isSure = false;
  button.addEventListener("click", () => {
    if (isSure) void reset();
    isSure = true;
    button.textContent = "Really? It forgets what is done, and deletes the lessons’ keys";
  });
  button.addEventListener("blur", () => {
    isSure = false;
    button.textContent = "Start over with all";
  });
  return button;
}
