// The words of `lodis bridge`.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { bridge, type BridgeOptions } from "./server.js";

export const BRIDGE_USAGE = `usage: lodis bridge --redis <url> --token <token> [options]

A WebSocket server through which pages use a Redis or Valkey as their upstream: redis.upstream({ url }).
It needs the package redis, 6 or later: npm install redis

  --redis <url>        redis:// or rediss://, with user, password and database (or the variable REDIS_URL)
  --cluster            it is a node of a cluster
  --token <token>      what pages have to say; any number (or the variable LODIS_BRIDGE_TOKEN)
  --prefix <prefix>    what the prefixes of pages begin with; any number (any)
  --origin <origin>    from where pages may come, as https://app.example; any number (anywhere)
  --port <port>        port to listen on, 0 for any free one (6380)
  --host <address>     address to listen on (127.0.0.1)
  --tls-cert-file <path>, --tls-key-file <path>
                       certificate and key, for wss://
  --maxclients <count> how many pages may be connected (1000)
  --max-message <bytes>
                       the longest message (67108864)
  --help               show this`;

/** What was asked for cannot be understood: exit code 2. */
class BridgeUsageError extends Error {}

/** Runs `lodis bridge` until it is told to end. */
export async function bridgeCommand(words: readonly string[]): Promise<void> {
  let options: BridgeOptions | undefined;
  try {
    options = await bridgeOptions(words);
  } catch (error) {
    if (!(error instanceof BridgeUsageError)) throw error;
    console.error(`lodis: ${error.message}\n\n${BRIDGE_USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (options === undefined) return console.log(BRIDGE_USAGE);
  const running = await bridge(options);
  console.log(`lodis bridge is listening on ${running.address}`);
  const stop = (): void => {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    void running.close();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
}

/** The options in the words; undefined if help was asked for. */
async function bridgeOptions(words: readonly string[]): Promise<BridgeOptions | undefined> {
  const { values } = read(words);
  if (values.help) return undefined;
  const url = values.redis ?? process.env["REDIS_URL"];
  if (url === undefined) throw new BridgeUsageError("--redis is missing");
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) throw new BridgeUsageError("--redis is a redis:// or rediss:// URL");
  const tokens = values.token ?? [process.env["LODIS_BRIDGE_TOKEN"] ?? ""];
  if (tokens.some((token) => token === "")) throw new BridgeUsageError("--token is missing: whoever has it may use the server");
  const { "tls-cert-file": cert, "tls-key-file": key } = values;
  if ((cert === undefined) !== (key === undefined)) throw new BridgeUsageError("--tls-cert-file and --tls-key-file go together");
  return {
    redis: url,
    cluster: values.cluster ?? false,
    host: values.host ?? "127.0.0.1",
    port: numberOf("--port", values.port ?? "6380", 0, 65_535),
    tokens,
    prefixes: values.prefix ?? [],
    origins: values.origin ?? [],
    tls: cert === undefined ? undefined : { cert: await readFile(cert), key: await readFile(key!) },
    maxMessageBytes: numberOf("--max-message", values["max-message"] ?? "67108864", 1024, 2 ** 29),
    maxClients: numberOf("--maxclients", values.maxclients ?? "1000", 1, 1_000_000),
    onNotice: (text) => console.error(`lodis bridge: ${text}`),
  };
}

function read(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        redis: { type: "string" },
        cluster: { type: "boolean" },
        token: { type: "string", multiple: true },
        prefix: { type: "string", multiple: true },
        origin: { type: "string", multiple: true },
        port: { type: "string" },
        host: { type: "string" },
        "tls-cert-file": { type: "string" },
        "tls-key-file": { type: "string" },
        maxclients: { type: "string" },
        "max-message": { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new BridgeUsageError((error as Error).message);
  }
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  throw new BridgeUsageError(`${option} is a number from ${least} to ${most}, not "${text}"`);
}
