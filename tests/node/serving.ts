// Starts `lodis serve` as a child process. With LODIS_JUDGE_PORT set, the tests talk to whatever
// listens there instead: a real redis-server judges the expectations.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";

export const cli = fileURLToPath(new URL("../../pkg/dist/cli.js", import.meta.url));

export interface Server {
  readonly port: number;
  readonly child: ChildProcess | undefined;
  stop(): Promise<void>;
}

export async function start(...options: string[]): Promise<Server> {
  const judge = process.env.LODIS_JUDGE_PORT;
  if (judge) return { port: Number(judge), child: undefined, stop: async () => {} };
  // A configuration file comes first.
  const file = options[0]?.startsWith("-") === false ? options.splice(0, 1) : [];
  const child = spawn(process.execPath, [cli, "serve", ...file, "--port", "0", ...options]);
  let mistakes = "";
  child.stderr.on("data", (text: Buffer) => (mistakes += text.toString()));
  const ended = once(child, "exit").then(() => Promise.reject(new Error(mistakes)));
  const [line] = (await Promise.race([once(child.stdout, "data"), ended])) as [Buffer];
  ended.catch(() => {});
  const port = Number(/^lodis is listening on 127\.0\.0\.1:(\d+)\n$/.exec(line.toString())?.[1]);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
  };
  return { port, child, stop };
}

/** A raw connection that collects what it is sent. */
export class Raw {
  received = "";
  closed = false;
  private wake: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received += text;
      this.wake();
    });
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
    socket.on("error", () => {});
  }

  static async open(port: number): Promise<Raw> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Raw(socket);
  }

  write(text: string | Uint8Array): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** Waits until `test` holds of what has been received; then forgets and answers it. */
  async until(test: (received: string) => boolean): Promise<string> {
    const deadline = Date.now() + 10_000;
    while (!test(this.received) && !this.closed) {
      if (Date.now() > deadline) throw new Error(`still waiting; received ${this.received.slice(0, 200)}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, 100);
      });
    }
    const { received } = this;
    this.received = "";
    return received;
  }

  /** Waits for exactly as much as `expected`. */
  reply(expected: string): Promise<string> {
    return this.until((received) => received.length >= expected.length);
  }

  end(): void {
    this.socket.destroy();
  }
}
