import { element } from "../../element.js";

/** What a demo says aloud when it has done something. */
export function newsLine(text = ""): HTMLElement {
  return element("p", { role: "status", class: "demo-news" }, text);
}

/**
 * A button of a demo: it does its work once at a time, and what that comes to is said in `news`. It stays
 * enabled for the keyboard: what is disabled loses the focus.
 */
export function action(name: string, does: () => Promise<string | void>, news?: HTMLElement): HTMLButtonElement {
  const button = element("button", { type: "button", class: "plain", attributes: { "data-demo": name, "aria-disabled": "false" } }, name);
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    if (news) news.textContent = "…";
    const said = await does().catch((error: Error) => error.message);
    button.ariaDisabled = "false";
    if (news) news.textContent = said ?? "";
  });
  return button;
}

/** A box with what a demo consists of. */
export function demoBox(...children: readonly (Node | undefined)[]): HTMLElement {
  return element("div", { class: "demo" }, ...children);
}

/** A row of buttons. */
export function buttonRow(...buttons: readonly Node[]): HTMLElement {
  return element("p", { class: "ways" }, ...buttons);
}

/** Lets the page do something else before more is done. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

/** Bars beside each other, each with its number in words; the longest is as wide as there is room. */
export function bars(rows: readonly (readonly [name: string, value: number, said: string])[]): HTMLElement {
  const most = Math.max(...rows.map(([, value]) => value), Number.MIN_VALUE);
  return element("ul", { class: "bars" }, ...rows.map(([name, value, said]) => {
    const bar = element("span", { class: "bar", ariaHidden: "true" });
    bar.style.width = `${(value / most) * 100}%`;
    return element("li", {}, element("span", {}, `${name}: `, element("strong", {}, said)), bar);
  }));
}
