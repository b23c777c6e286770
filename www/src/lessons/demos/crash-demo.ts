import { element } from "../../element.js";
import type { Stage } from "../lesson.js";
import { action, buttonRow, demoBox, newsLine } from "./action.js";
import { crash, lastCrash } from "./crash.js";

/** Writes the time to a key, and has the page crash; tells afterwards whether it is there. */
export function crashDemo(key: string): (stage: Stage) => HTMLElement {
  return (stage) => {
    const news = newsLine();
    const state = element("p", { class: "demo-state" }, "There was no crash yet.");
    const end = (isSafe: boolean) => async (): Promise<void> => {
      // What was written before, the progress in lessons too, is not to be lost with it.
      await stage.redis.call("WAITAOF", 1, 0, 20_000);
      const value = new Date().toISOString().slice(11, 23);
      const [reply] = await stage.run(`SET ${key} ${value}`);
      if (!reply || reply.type === "error") return;
      if (isSafe) await stage.run("WAITAOF 1 0 20000");
      crash({ lesson: "persistence", value, safe: isSafe ? "yes" : "no" });
    };
    stage.every(async () => {
      const known = lastCrash();
      if (known?.lesson !== "persistence") return;
      const found = await stage.redis.get(key);
      const how = known.safe === "yes" ? "waited for the disk" : "did not wait for the disk";
      state.textContent = `Before the last crash, SET answered OK to ${known.value}, and ${how}. Now the key has ${found ?? "nothing"}: ${found === known.value ? "it is there." : "it was lost."}`;
    });
    return demoBox(buttonRow(action("Write and crash", end(false), news), action("Write, wait, crash", end(true), news)), news, state);
  };
}
