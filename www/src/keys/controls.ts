import { element } from "../element.js";

/** A long value in a cell. */
export function cut(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

export function button(text: string, click: () => void, kind = "", label = ""): HTMLButtonElement {
  return element("button", {
    type: "button",
    class: `plain ${kind}`.trim(),
    on: { click },
    attributes: { "data-focus": label || text, ...(label === "" ? {} : { "aria-label": cut(label) }) },
  }, text);
}
