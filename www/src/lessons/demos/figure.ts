import { element } from "../../element.js";
import type { Stage } from "../lesson.js";

/** A line of text that is asked for again and again while it is looked at. */
export function figureDemo(title: string, ask: (stage: Stage) => Promise<string>): (stage: Stage) => HTMLElement {
  return (stage) => {
    const value = element("strong", {}, "…");
    stage.every(async () => {
      value.textContent = await ask(stage);
    });
    return element("div", { class: "demo" }, element("p", { class: "demo-news" }, `${title} `, value, "."));
  };
}
