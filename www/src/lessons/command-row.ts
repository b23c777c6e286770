import { element } from "../element.js";
import type { Course } from "./course.js";
import { type Command, isSecond } from "./lesson.js";

/** A line of a step, to be run, or to be put into the line. */
export function commandRow(command: Command, course: Course): HTMLElement {
  const second = isSecond(command);
  const text = second ? command.second : command;
  const where = second ? [element("span", { class: "where" }, "second terminal: ")] : [];
  const run = element(
    "button",
    {
      type: "button",
      class: "try",
      title: "Run it",
      on: { click: () => void course.run(command) },
      attributes: { "data-focus": `run ${text}`, "data-second": String(second), "data-ran": String(course.wasRun(command)) },
    },
    element("span", { class: "unseen" }, "Run "),
    ...where,
    element("code", {}, text),
    course.wasRun(command) ? element("span", { class: "unseen" }, " (was run)") : undefined,
  );
  const edit = element("button", {
    type: "button",
    class: "edit",
    title: "Put it into the line, to change it first",
    on: { click: () => course.put(command) },
    attributes: { "data-focus": `edit ${text}`, "aria-label": `Edit ${text}` },
  }, "✎");
  return element("li", {}, run, edit);
}
