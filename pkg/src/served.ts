import type { Durability } from "./durability.js";
import type { Engine } from "./engine.js";

/** What connections are served with. */
export interface Served {
  readonly engine: Engine;
  readonly durability: Durability | undefined;
  /** What requests have to wait for before they are run, if for anything. */
  readonly admit?: () => Promise<unknown> | undefined;
}
