/** What is used of a request of `node:http`. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  /** `GET`, `POST`, … */
  readonly method?: string | undefined;
  /** The path, with its query. */
  readonly url?: string | undefined;
  /** By their names in lower case. */
  readonly headers: { readonly [name: string]: string | string[] | undefined };
}

/** What is used of a response of `node:http`. */
export interface NodeResponse {
  /** Begins the response. */
  writeHead(status: number, headers: Record<string, string>): unknown;
  /** Adds to its body; whether there is room for more. */
  write(bytes: Uint8Array): boolean;
  /** Ends it. */
  end(): unknown;
  /** Cuts it off. */
  destroy(error?: Error): unknown;
  /** Adds a listener that is called once. */
  once(event: "close" | "drain", listener: () => void): unknown;
  /** Takes a listener away. */
  off(event: "close" | "drain", listener: () => void): unknown;
}

/**
 * What answers the requests of a server of Node as `handler` does, such as one that `rest` has made:
 * `createServer(toNodeListener(rest(redis, { token })))`, or as a middleware of Express. What is under way
 * when a client goes is aborted.
 */
export function toNodeListener(
  handler: (request: Request) => Promise<Response>,
): (request: NodeRequest, response: NodeResponse) => void {
  return (incoming, outgoing) => {
    const abort = new AbortController();
    outgoing.once("close", () => abort.abort());
    answer(handler, incoming, outgoing, abort.signal).catch((error: unknown) => {
      outgoing.destroy(error instanceof Error ? error : undefined);
    });
  };
}

async function answer(
  handler: (request: Request) => Promise<Response>,
  incoming: NodeRequest,
  outgoing: NodeResponse,
  signal: AbortSignal,
): Promise<void> {
  let request: Request;
  try {
    request = requestOf(incoming, signal);
  } catch {
    outgoing.writeHead(400, {});
    return void outgoing.end();
  }
  const response = await handler(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  const reader = response.body?.getReader();
  signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}));
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    if (!outgoing.write(part.value) && !signal.aborted) await drained(outgoing);
  }
  outgoing.end();
}

function requestOf(incoming: NodeRequest, signal: AbortSignal): Request {
  const { method = "GET" } = incoming;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const each of [value ?? []].flat()) headers.append(name, each);
  }
  const body = method === "GET" || method === "HEAD" ? null : streamOf(incoming);
  const { url = "/" } = incoming;
  // Whose host it is makes no difference, and a header may say anything.
  return new Request(new URL(url.startsWith("/") ? `http://localhost${url}` : url), { method, headers, body, signal, duplex: "half" } as RequestInit);
}

function streamOf(incoming: NodeRequest): ReadableStream<Uint8Array> {
  const parts = incoming[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return?.();
    },
  });
}

function drained(outgoing: NodeResponse): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      outgoing.off("drain", over);
      outgoing.off("close", over);
      resolve();
    };
    outgoing.once("drain", over);
    outgoing.once("close", over);
  });
}
