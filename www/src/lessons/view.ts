import type { Redis } from "lodis";
import { Pane } from "lodis/terminal/pane";
import { element } from "../element.js";
import { addressOf } from "../router.js";
import type { Store } from "../store.js";
import type { View } from "../view.js";
import { LESSONS } from "./content/index.js";
import { Course } from "./course.js";
import type { Command, Lesson } from "./lesson.js";
import { paragraphsOf } from "./markup.js";
import { Progress } from "./progress.js";
import "./lessons.css";

/** The lessons: all of them, or one beside the terminal. */
export class LessonsView implements View {
  readonly element = element("section", { class: "lessons", ariaLabel: "Lessons" });
  private readonly progress: Progress;
  private course: Course | undefined;
  /** Terminals of other clients, for lessons that need one: of the same store, and of stores of their own. */
  private readonly seconds = new Map<unknown, Promise<[Pane, Redis]>>();
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
    if (lesson && this.course?.lesson === lesson) {
      this.course.go(step === undefined ? this.course.at : Number(step) - 1 || 0);
      return;
    }
    this.hide();
    const visit = ++this.visit;
    if (!lesson) return this.showList(visit);
    const isPaired = lesson.steps.some((one) => one.commands.some(isSecond));
    const [second, secondRedis] = isPaired ? await this.secondPane(lesson) : [];
    if (visit !== this.visit) return;
    this.showSecond(second);
    const panes = { first: this.pane, second, secondRedis };
    const course = new Course(lesson, () => this.store.redis, panes, this.progress, () => this.drawStep());
    this.course = course;
    await course.begin(step === undefined ? undefined : Number(step) - 1 || 0);
    if (visit !== this.visit) course.end();
  }

  hide(): void {
    this.visit++;
    this.course?.end();
    this.course = undefined;
    this.showSecond(undefined);
  }

  private secondPane({ secondStore }: Lesson): Promise<[Pane, Redis]> {
    const key = secondStore ?? this.store;
    const made = this.seconds.get(key) ?? this.makeSecond(secondStore);
    this.seconds.set(key, made);
    return made;
  }

  private async makeSecond(secondStore: Lesson["secondStore"]): Promise<[Pane, Redis]> {
    const redis = await (secondStore?.() ?? this.store.second());
    const pane = new Pane({ prefix: "second-", owner: " of the second client" });
    void pane.terminal.use(redis, () => this.store.withScripts());
    pane.terminal.note(secondStore ? "This is a store of its own, in memory." : "This is another client of the same store.");
    return [pane, redis];
  }

  private async showList(visit: number): Promise<void> {
    const cards = await Promise.all(LESSONS.map((lesson) => this.card(lesson)));
    if (visit !== this.visit) return;
    this.element.replaceChildren(
      element("h2", {}, "Learn Redis here"),
      element("p", {}, "Each lesson takes some minutes, and every step is checked against the store in this page. Take them in any order."),
      element("ul", { class: "cards" }, ...cards),
    );
  }

  private async card({ id, title, summary, steps }: Lesson): Promise<HTMLElement> {
    const done = (await this.progress.done(id)).size;
    const state = done === 0 ? `${steps.length} steps` : done < steps.length ? `${done} of ${steps.length} steps done` : "Done";
    return element(
      "li",
      { attributes: { "data-done": String(done >= steps.length) } },
      element("a", { href: addressOf("lessons", id) }, title),
      element("p", {}, summary),
      element("p", { class: "card-state" }, state),
    );
  }

  private drawStep(): void {
    const { course } = this;
    if (!course) return;
    const { lesson, step, at, done } = course;
    const isDone = done.has(at);
    const children = [
      element("p", { class: "back" }, element("a", { href: addressOf("lessons") }, "All lessons")),
      element("h2", {}, lesson.title),
      this.steps(course),
      element("h3", {}, `${at + 1}. ${step.title}`),
      ...paragraphsOf(step.text),
      course.demo(),
      step.commands.length === 0 ? undefined : element("ul", { class: "commands", ariaLabel: "Commands of this step" }, ...step.commands.map((command) => this.command(command))),
      element("p", { class: "verdict", role: "status", attributes: { "data-done": String(isDone) } }, isDone ? verdict(course) : "Not done yet: run it, or something that comes to the same."),
      this.buttons(course),
    ];
    // Who has the keyboard on a button that is drawn anew keeps it.
    const focused = document.activeElement?.getAttribute("data-focus");
    this.element.replaceChildren(...children.filter((child) => child !== undefined));
    if (focused) this.element.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  private steps({ lesson, at, done }: Course): HTMLElement {
    const links = lesson.steps.map((step, index) =>
      element(
        "li",
        {},
        element(
          "a",
          {
            href: addressOf("lessons", lesson.id, index + 1),
            title: step.title,
            ariaLabel: `Step ${index + 1}: ${step.title}${done.has(index) ? " (done)" : ""}`,
            attributes: { "data-done": String(done.has(index)), "data-focus": `step-${index}`, ...(index === at ? { "aria-current": "step" } : {}) },
          },
          String(index + 1),
        ),
      ),
    );
    return element("nav", { ariaLabel: "Steps" }, element("ol", { class: "steps" }, ...links));
  }

  private command(command: Command): HTMLElement {
    const text = isSecond(command) ? command.second : command;
    return element(
      "li",
      {},
      element("button", {
        type: "button",
        class: "try",
        on: { click: () => void this.course?.run(command) },
        attributes: { "data-focus": text, "data-second": String(isSecond(command)) },
      }, ...(isSecond(command) ? [element("span", { class: "where" }, "second client: ")] : []), text),
    );
  }

  private buttons(course: Course): HTMLElement {
    const { lesson, at } = course;
    const link = (step: number, text: string): HTMLElement =>
      element("a", { class: "plain", href: addressOf("lessons", lesson.id, step + 1), attributes: { "data-focus": text } }, text);
    const next = LESSONS[LESSONS.indexOf(lesson) + 1];
    return element(
      "p",
      { class: "ways" },
      at > 0 ? link(at - 1, "Back") : undefined,
      at < lesson.steps.length - 1 ? link(at + 1, "Next step") : undefined,
      at === lesson.steps.length - 1 && next ? element("a", { class: "plain", href: addressOf("lessons", next.id) }, `Next lesson: ${next.title}`) : undefined,
      element("button", { type: "button", class: "plain", attributes: { "data-focus": "reset" }, on: { click: () => void course.reset() } }, "Start over"),
    );
  }
}

function verdict({ lesson, done }: Course): string {
  return done.size >= lesson.steps.length ? "Done, and with it the lesson." : "Done.";
}

function isSecond(command: Command): command is { readonly second: string } {
  return typeof command !== "string";
}
