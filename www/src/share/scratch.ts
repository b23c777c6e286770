import { open, type Redis } from "lodis";
import { Pane } from "lodis/terminal/pane";

/** A terminal with an empty store of its own, in memory: nothing of it is the visitor's. */
export class Scratch {
  readonly pane = new Pane({ prefix: "scratch-", owner: " of the fresh store" });
  private redis: Promise<Redis> | undefined;
  private scripting: Promise<void> | undefined;

  /** Opens it, once. */
  open(): Promise<unknown> {
    this.redis ??= this.begin();
    return this.redis;
  }

  private async begin(): Promise<Redis> {
    const redis = await open("scratch", { store: "memory" });
    await this.pane.terminal.use(redis, () => (this.scripting ??= this.withScripts(redis)));
    this.pane.terminal.note("This is a fresh store in memory: your own data is not in it, and it is gone once the page is closed.");
    return redis;
  }

  private async withScripts(before: Redis): Promise<void> {
    const data = await before.exportRdb();
    const redis = await open("scratch-with-scripts", { store: "memory", scripting: true });
    await redis.importRdb(data);
    this.redis = Promise.resolve(redis);
    await this.pane.terminal.use(redis, async () => {});
    await before.close();
  }

  async close(): Promise<void> {
    await (await this.redis)?.close();
  }
}
