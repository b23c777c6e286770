import type { Redis } from "lodis";
import type { Lesson } from "./lesson.js";

/** Which steps are done, kept in the store like everything else: a set of numbers for each lesson. */
export class Progress {
  constructor(
    private readonly redis: () => Redis,
    private readonly prefix = "playground:progress:",
  ) {}

  async done(lesson: string): Promise<ReadonlySet<number>> {
    return new Set((await this.redis().sMembers(this.prefix + lesson)).map(Number));
  }

  async add(lesson: string, step: number): Promise<void> {
    await this.redis().sAdd(this.prefix + lesson, String(step));
  }

  /** Forgets what was done in a lesson, and the keys that were made in it. */
  async reset({ id, reset }: Lesson): Promise<void> {
    const redis = this.redis();
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(cursor, { MATCH: `${id}:*`, COUNT: 1000 });
      if (keys.length > 0) await redis.unlink(keys);
      cursor = next;
    } while (cursor !== "0");
    await reset?.(redis);
    await redis.del(this.prefix + id);
  }
}
