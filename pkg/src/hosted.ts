// The worker's side of hosting.ts. It knows nothing of how workers are started: bundlers would go round in circles.
import type { StoreError } from "./errors.js";
import type { Answer, Request } from "./hosting.js";
import type { OpenOptions } from "./options.js";
import type { Redis } from "./redis.js";

type Port = Pick<MessagePort, "postMessage" | "onmessage">;

/** In a worker: opens what pages ask for. */
export function accept(open: (name: string, options: OpenOptions) => Promise<Redis>): void {
  const users = new Map<Port, string>();
  const opened = new Map<string, Promise<Redis>>();
  const close = async (port: Port): Promise<void> => {
    const name = users.get(port);
    users.delete(port);
    if (name === undefined || [...users.values()].includes(name)) return;
    const redis = opened.get(name);
    opened.delete(name);
    await (await redis)?.close();
  };
  const answer = async (port: Port, request: Request): Promise<Answer> => {
    try {
      if (request.lodis === "close") {
        await close(port);
        return { lodis: "closed" };
      }
      const { name, options } = request;
      const redis = opened.get(name) ?? open(name, options);
      opened.set(name, redis);
      users.set(port, name);
      await redis;
      return { lodis: "opened" };
    } catch (error) {
      if (request.lodis === "open") opened.delete(request.name);
      users.delete(port);
      const { code, reason, message } = error as Partial<StoreError>;
      return { lodis: "failed", code, message: reason ?? message ?? String(error) };
    }
  };
  const listen = (port: Port): void => {
    port.onmessage = async ({ data }: MessageEvent<Request>) => {
      port.postMessage(await answer(port, data));
    };
  };
  if ("onconnect" in globalThis) {
    globalThis.addEventListener("connect", (event) => listen((event as MessageEvent).ports[0]!));
  } else {
    listen(globalThis as unknown as Port);
  }
}
