import type { HostedLodis } from "../boundary/wasm.js";
import { Engine } from "../engine.js";

/** An engine beside which there is a host: of the module with scripting. */
export class ServedEngine extends Engine {
  declare readonly lodis: HostedLodis;

  /** Whether anybody may do everything, without a password. */
  isOpen(): boolean {
    const session = this.connect(() => {});
    const isOpen = this.lodis.mayEverything(session);
    this.disconnect(session);
    return isOpen;
  }
}
