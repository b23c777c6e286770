import { open, type OpenOptions, type Redis } from "lodis";

/** The name that all tabs of the playground open. */
export const NAME = "playground";
/** On this channel, a tab has others do something: all of them go on with scripting, or the leader leave. */
const CHANNEL = "lodis-playground";
type Order = "scripts" | "leave";

/** The open store. One that runs scripts may take its place. */
export class Store {
  private readonly listeners: ((redis: Redis) => void | Promise<void>)[] = [];
  private readonly channel = new BroadcastChannel(CHANNEL);
  private loading: Promise<void> | undefined;
  private hasScripting = false;
  private isReady = false;

  private constructor(public redis: Redis) {
    this.channel.onmessage = ({ data }: MessageEvent<Order>) => {
      if (data === "scripts") void this.loadScripts();
      else if (this.redis.role === "leader") void this.reopen();
    };
  }

  /** Opens the store; in memory where the page is given no storage. */
  static async open(): Promise<Store> {
    try {
      return new Store(await open(NAME));
    } catch (error) {
      // A page of another site that shows this one may get it neither storage nor locks.
      if (!/^(STORE|LOCKS)_UNAVAILABLE$/.test((error as { code?: string }).code ?? "")) throw error;
      return new Store(await open(NAME, { store: "memory" }));
    }
  }

  /** Whether what is written is kept anywhere. */
  get isKept(): boolean {
    return this.redis.persistence.state !== "memory";
  }

  /** Calls `listener` with the instance, now and when another takes its place. */
  use(listener: (redis: Redis) => void | Promise<void>): void {
    this.listeners.push(listener);
    void listener(this.redis);
  }

  /**
   * Goes on with the module that has scripting: it is large, and most visitors need none of it. The tab that
   * leads runs the scripts of all, and any may lead next, so all tabs do.
   */
  withScripts(): Promise<void> {
    if (this.loading) return this.loading;
    this.send("scripts");
    return this.loadScripts();
  }

  private loadScripts(): Promise<void> {
    this.hasScripting = true;
    this.loading ??= this.reopen().then(() => {
      this.isReady = true;
    });
    return this.loading;
  }

  /** Has the tab that leads let go of everything, and come back as another one of many. */
  async dismissLeader(): Promise<void> {
    if (this.redis.role === "leader") await this.reopen();
    else this.send("leave");
  }

  private send(order: Order): void {
    this.channel.postMessage(order);
  }

  /** Whether scripts run here, or will soon. */
  get scripts(): "none" | "loading" | "ready" {
    if (!this.loading) return "none";
    return this.isReady ? "ready" : "loading";
  }

  /** Whether there are other clients than this page: tabs, and those that `client` opens. */
  get hasClients(): boolean {
    return this.redis.topology !== "single";
  }

  private async reopen(): Promise<void> {
    const { redis, isKept, hasScripting } = this;
    const file = isKept ? undefined : await redis.exportRdb();
    await redis.close();
    const options: OpenOptions = isKept ? {} : { store: "memory" };
    this.redis = await open(NAME, { ...options, scripting: hasScripting }).catch(() => open(NAME, options));
    if (file) await this.redis.importRdb(file);
    await Promise.all(this.listeners.map((listener) => listener(this.redis)));
  }

  /**
   * Another client of the same data, with a session of its own, whose commands the tab that leads runs; where
   * nothing is shared, the same one.
   */
  client(): Promise<Redis> {
    if (this.redis.topology === "single") return Promise.resolve(this.redis);
    return open(NAME, { leads: false, replica: false });
  }
}
