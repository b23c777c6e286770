import { find, install } from "./commands.js";
import type { Commands } from "./generated/commands.js";
import type { Input, Reply } from "./types.js";
import type { Unit } from "./units.js";

/** What the callback of `atomic` is given: the commands, each answered at once. */
export interface Atomic extends Commands<"sync"> {}
export class Atomic {
  /** The same commands with bytes for text. */
  readonly bytes: AtomicBytes;

  /** @internal */
  constructor(
    /** @internal */
    readonly unit: Unit,
  ) {
    this.bytes = new AtomicBytes(unit);
  }

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.unit.run(find(name, input[0]), input, false);
  }
}

/** The commands of a callback of `atomic`, with bytes for text. */
export interface AtomicBytes extends Commands<"sync bytes"> {}
export class AtomicBytes {
  /** @internal */
  constructor(
    /** @internal */
    readonly unit: Unit,
  ) {}

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.unit.run(find(name, input[0]), input, true);
  }
}

for (const [surface, binary] of [[Atomic, false], [AtomicBytes, true]] as const) {
  install(
    surface.prototype,
    (command) =>
      function (this: Atomic | AtomicBytes) {
        return this.unit.run(command, arguments, binary);
      },
  );
}
