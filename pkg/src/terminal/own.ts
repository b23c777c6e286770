import type { OpenOptions } from "../options.js";
import type { Redis } from "../redis.js";

/** Opens an instance, as `open` of `lodis` does. */
export type Opener = (name: string, options?: OpenOptions) => Promise<Redis>;

/** What is refused to pages of other sites, and in private windows. */
const REFUSED = /^(STORE|LOCKS)_UNAVAILABLE$/;

let count = 0;

/** An instance that a terminal opened for itself; one that runs scripts may take its place. */
export class Own {
  /** Goes on with another instance of the same data. */
  use: (redis: Redis) => Promise<void> = async () => {};
  private loading: Promise<void> | undefined;
  /** What leads a name runs the scripts of all, and any may lead next: each is told. */
  private readonly channel: BroadcastChannel | undefined;

  private constructor(
    private readonly open: Opener,
    /** The one that is open. */
    public redis: Redis,
    private readonly name: string,
  ) {
    if (this.isInMemory) return;
    this.channel = new BroadcastChannel(`lodis-terminal:${name}`);
    this.channel.onmessage = () => void this.load().catch(() => {});
  }

  /** Opens `name`, kept by the browser; without a name, or where the page is given no storage, in memory. */
  static async open(open: Opener, name: string | undefined): Promise<Own> {
    count++;
    if (name !== undefined) {
      try {
        return new Own(open, await open(name), name);
      } catch (error) {
        if (!REFUSED.test((error as { code?: string }).code ?? "")) throw error;
      }
    }
    const alone = `${name ?? "lodis-terminal"}:${count}`;
    return new Own(open, await open(alone, { store: "memory" }), alone);
  }

  /** Whether what is written is gone once it is closed. */
  get isInMemory(): boolean {
    return this.redis.persistence.state === "memory";
  }

  /** Goes on with the module that has scripting: it is large, and most have no need of it. */
  withScripts(): Promise<void> {
    if (!this.loading) this.channel?.postMessage("scripts");
    return this.load();
  }

  private load(): Promise<void> {
    this.loading ??= (this.isInMemory ? this.copy() : this.reopen()).catch((error: unknown) => {
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }

  private async copy(): Promise<void> {
    const before = this.redis;
    const next = await this.open(`${this.name}:scripts`, { store: "memory", scripting: true });
    await next.importRdb(await before.exportRdb());
    this.redis = next;
    await this.use(next);
    await before.close();
  }

  private async reopen(): Promise<void> {
    await this.redis.close();
    this.redis = await this.open(this.name, { scripting: true }).catch(() => this.open(this.name));
    await this.use(this.redis);
  }

  /** Resolves while no other instance is about to take its place. */
  async settled(): Promise<void> {
    await this.loading?.catch(() => {});
  }

  async close(): Promise<void> {
    this.channel?.close();
    await this.settled();
    await this.redis.close();
  }
}
