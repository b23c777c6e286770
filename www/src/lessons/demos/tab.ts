import { element } from "../../element.js";
import { addressOf } from "../../router.js";
import type { Stage } from "../lesson.js";
import { paragraphsOf } from "../markup.js";
import { demoBox, newsLine } from "./action.js";

/** On this channel a tab that a lesson has opened listens; that is also how it is seen. */
export const channelOf = (lesson: string): string => `${lesson}:tab`;

/** How many tabs are open for a lesson. */
export async function tabsOf(stage: Stage, lesson: string): Promise<number> {
  const counts = (await stage.redis.call("PUBSUB", "NUMSUB", channelOf(lesson))) as unknown;
  return Array.isArray(counts) ? Number(counts[1]) : 0;
}

/** Opens another tab for a lesson, and tells whether there is one; `otherwise` is offered where the browser opens none. */
export function tabDemo(lesson: string, otherwise: string, ...more: readonly ((stage: Stage) => HTMLElement)[]): (stage: Stage) => HTMLElement {
  return (stage) => {
    const state = newsLine("No other tab is there yet.");
    const why = stage.isShared ? "Your browser opened no tab: perhaps it blocks pop-ups." : "This browser gives the page no storage, so each tab has data of its own.";
    const blocked = element("div", { class: "demo-blocked", hidden: stage.isShared }, ...paragraphsOf(`${why} ${otherwise}`));
    const way = element("a", { class: "plain next", href: addressOf("lessons", lesson, "tab"), target: "_blank", rel: "opener", attributes: { "data-demo": "tab" } }, "Open another tab");
    way.addEventListener("click", (event) => {
      event.preventDefault();
      // It has a name: asked for again, it is the same one.
      const opened = window.open(way.href, `lodis-${lesson}`);
      opened?.focus();
      blocked.hidden = opened !== null;
      if (opened === null) blocked.setAttribute("role", "alert");
    });
    stage.every(async () => {
      const count = await tabsOf(stage, lesson);
      const said = count === 0 ? "No other tab is there yet." : count === 1 ? "The other tab is there." : `${count} other tabs are there.`;
      if (state.textContent !== said) state.textContent = said;
      if (count > 0) blocked.hidden = true;
    });
    way.hidden = !stage.isShared;
    return demoBox(element("p", { class: "ways" }, way), state, blocked, ...more.map((one) => one(stage)));
  };
}
