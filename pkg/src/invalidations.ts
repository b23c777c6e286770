import { nextTask } from "./task.js";

/** Keys that have changed since they were read, as text and as bytes; or null: any may have. */
export type Changed = readonly [text: readonly string[] | null, bytes: readonly Uint8Array[] | null];

/**
 * Tells which keys have changed, and no sooner than whoever asked for their values before has them:
 * what has come out of a cache by then cannot be put back into it.
 */
export class Invalidations {
  private readonly queue: Changed[] = [];
  private isDelivering = false;

  constructor(
    /** Settles once all calls that are under way now are answered. */
    private readonly answered: () => Promise<unknown>,
    private readonly tell: (changed: Changed) => void,
  ) {}

  add(changed: Changed): void {
    this.queue.push(changed);
    if (!this.isDelivering) void this.deliver();
  }

  private async deliver(): Promise<void> {
    this.isDelivering = true;
    while (this.queue.length > 0) {
      const count = this.queue.length;
      await this.answered();
      // Whoever awaits an answer goes on in this one.
      await nextTask();
      this.queue.splice(0, count).forEach(this.tell);
    }
    this.isDelivering = false;
  }
}
