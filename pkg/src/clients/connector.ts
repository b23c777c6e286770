import { createConnection, mustBeSource, type Source } from "./connect.js";
import type { Connection } from "./pipe.js";

/** A class that makes connections for `ioredis`: its option `Connector`. */
export type ConnectorClass = new (options: unknown) => never;

/**
 * Gives clients of `ioredis` an instance in this process: `new Redis({ Connector: connector(redis) })`. Their
 * options `host`, `port`, `path`, `family`, `tls` and `sentinels` change nothing then, for there is nothing on the way.
 *
 * @throws TypeError if `source` is no instance.
 */
export function connector<C = ConnectorClass>(source: Source): C {
  mustBeSource(source);
  // The client's type has private members of its own class, which no other class can have.
  return connectorTo(() => source) as unknown as C;
}

/** A connector class to what a client's options stand for. */
export function connectorTo(sourceOf: (options: object) => Source): typeof Connector {
  return class extends Connector {
    protected override open(options: object): Connection {
      // It may be looked for anew each time.
      return createConnection(() => {
        const source = sourceOf(options);
        return typeof source === "function" ? source() : source;
      });
    }
  };
}

/** What `ioredis` asks for connections. */
export abstract class Connector {
  /** Why there is none. */
  firstError: Error | undefined;
  private stream: Connection | undefined;

  constructor(private readonly options: { readonly disconnectTimeout?: number }) {}

  protected abstract open(options: object): Connection;

  /** Whether what INFO has told will do. */
  check(): boolean {
    return true;
  }

  /** A stream that is connected; or one that is destroyed, as of a server that does not answer. */
  connect(): Promise<Connection> {
    const stream = this.open(this.options);
    this.stream = stream;
    return new Promise((resolve, reject) => {
      stream.once("connect", () => resolve(stream));
      stream.once("error", (error: Error) => {
        this.firstError = error;
        resolve(stream);
      });
      stream.once("close", () => reject(new Error("Connection is closed.")));
    });
  }

  disconnect(): void {
    const { stream } = this;
    if (!stream || stream.connecting) return void stream?.destroy();
    const late = setTimeout(() => stream.destroy(), this.options.disconnectTimeout);
    stream.once("close", () => clearTimeout(late));
    stream.end();
  }
}
