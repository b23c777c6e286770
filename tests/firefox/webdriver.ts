// A browser driven over WebDriver: https://www.w3.org/TR/webdriver2
import { type ChildProcess, spawn } from "node:child_process";

const JSON_TYPE = { "content-type": "application/json" };

/** A driver's process, and a session of it. */
export class WebDriver {
  /** Commands of a session come one after the other, and so do those that belong together. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly program: ChildProcess,
    private readonly session: string,
  ) {}

  /** Starts a driver that listens on a port of its own choice, and a browser. */
  static async start(driver: string, args: readonly string[], capabilities: object): Promise<WebDriver> {
    const program = spawn(driver, ["--port", "0", ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const url = await listening(program);
    const session = `${url}/session`;
    try {
      const { sessionId } = await command<{ sessionId: string }>("POST", session, {
        capabilities: { alwaysMatch: capabilities },
      });
      return new WebDriver(program, `${session}/${sessionId}`);
    } catch (error) {
      program.kill();
      throw error;
    }
  }

  /** Runs commands with no other in between. */
  together<T>(commands: () => Promise<T>): Promise<T> {
    const result = this.last.then(commands);
    this.last = result.catch(() => {});
    return result;
  }

  send<T>(method: "GET" | "POST" | "DELETE", path: string, body?: object): Promise<T> {
    return command(method, `${this.session}${path}`, method === "POST" ? (body ?? {}) : undefined);
  }

  async end(): Promise<void> {
    const exit = new Promise((resolve) => this.program.once("exit", resolve));
    await this.send("DELETE", "").catch(() => {});
    this.program.kill();
    await exit;
  }
}

/** Where a driver says that it listens. */
function listening(program: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    program.stdout!.on("data", (data) => {
      said += data;
      const address = /Listening on (\S+)/.exec(said);
      if (address) resolve(`http://${address[1]}`);
    });
    program.once("error", reject);
    program.once("exit", () => reject(new Error(`the driver has ended: ${said}`)));
  });
}

async function command<T>(method: string, url: string, body: object | undefined): Promise<T> {
  const response = await fetch(url, { method, headers: JSON_TYPE, body: body && JSON.stringify(body) });
  const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
