// The options of `lodis cli`, which are those of redis-cli.
import { split } from "../terminal/quoting.js";
import type { Mode } from "./format.js";

export const USAGE = `usage: lodis cli [options] [cmd [arg [arg ...]]]

A command line for a server, or for data in this process. Without a command it reads lines: with history,
completion and hints at a terminal, one command a line from elsewhere.

  --dir <path>       Data in this process, kept in a directory as "lodis serve --dir" keeps it.
  --memory           Data in this process, in memory only.
  -h <hostname>      Server hostname (default: 127.0.0.1).
  -p <port>          Server port (default: 6379).
  -s <socket>        Server socket (overrides hostname and port).
  -u <uri>           Server URI: redis[s]://[[user]:password@]host[:port][/db]
  -a, --pass <password>
                     Password to use when connecting; better in the environment, as REDISCLI_AUTH.
  --user <username>  User to authenticate as. Needs a password.
  -n <db>            Database number.
  -2, -3             The protocol: RESP2 or RESP3.
  -r <repeat>        Execute the command so many times, -1 for ever; -i <seconds> between them.
  -x                 The last argument comes from the standard input.
  -X <tag>           The argument <tag> comes from there.
  -e                 Exit code 1 when a command is answered with an error.
  -d <delimiter>     Between elements in raw output (default: \\n); -D after a reply.
  --tls              A TLS connection; with --sni <host>, --cacert <file>, --cert <file>, --key <file>,
                     --insecure.
  --raw, --no-raw    Raw output, as by default when the output is no terminal; or formatted output.
  --csv, --json, --quoted-json
                     Output in CSV, JSON, or JSON in ASCII.
  --quoted-input     Arguments are quoted strings.
  --show-pushes <yn> Whether RESP3's push messages are shown (default: at a terminal).
  --eval <file> [key ...] , [arg ...]
                     Run a script.
  -c                 In a cluster: ask the server that has the key.
  --scan             List the keys; with --pattern <pat>, --quoted-pattern <pat>, --count <count>, --type <type>.
  --bigkeys, --memkeys
                     The keys with the most elements, or that take the most memory, of each type;
                     --memkeys-samples <n> elements of each are looked at.
  --hotkeys          The keys that are used most, where maxmemory-policy is one of LFU.
                     All three: -i <seconds> after 100 SCANs, --pattern.
  --stat             What the server does, a line every second, or -i <seconds>.
  --latency          How long a PING takes, in milliseconds: at a terminal until Ctrl-C, elsewhere of a
                     second, or -i <seconds>.
  --latency-history  The same, anew every 15 seconds, or -i <seconds>.
  --rdb <file>       Everything there is, as an RDB file (- for the standard output); --functions-rdb <file>
                     for the functions alone.
  --pipe             Send what comes from the standard input, RESP or lines, and count the replies.
  --pipe-timeout <n> Give up when no reply has come for so many seconds (default: 30, 0 for never).
  --no-auth-warning  Do not warn of a password on the command line.
  --help, --version  Show this, or the version.

What is typed at a terminal is kept in ~/.lodiscli_history, or in the file that LODISCLI_HISTFILE names
(/dev/null for nowhere), but for what has a password in it.`;

/** What `lodis cli` does beside running commands. */
export type Task =
  | "scan" | "pipe" | "bigkeys" | "memkeys" | "hotkeys" | "stat" | "latency" | "latency-history" | "rdb" | "functions-rdb";

/** What was asked for. */
export interface CliOptions {
  dir: string | undefined;
  memory: boolean;
  host: string;
  port: number;
  socket: string | undefined;
  user: string | undefined;
  password: string | undefined;
  /** Whether the password stands on the command line. */
  isTold: boolean;
  db: number;
  resp: 2 | 3;
  repeat: number;
  /** Seconds. */
  interval: number;
  fromInput: string | true | undefined;
  failsOnError: boolean;
  elementDelimiter: string;
  commandDelimiter: string;
  tls: boolean;
  sni: string | undefined;
  cacert: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  insecure: boolean;
  mode: Mode;
  quotedInput: boolean;
  showPushes: boolean;
  eval: string | undefined;
  /** Follow redirections. */
  cluster: boolean;
  /** What is done in place of running commands. */
  task: Task | undefined;
  rdbPath: string;
  memorySamples: string | undefined;
  /** Seconds, 0 for ever. */
  pipeTimeout: number;
  pattern: Uint8Array | undefined;
  count: string | undefined;
  type: string | undefined;
  /** What is run; reads lines if there is nothing. */
  words: readonly string[];
}

/** What was asked for cannot be understood: exit code 1, as redis-cli's. */
export class UsageError extends Error {}

type Values = Omit<CliOptions, "words">;

/** Each option, with what it does with the word after it, if it takes one. */
const FLAGS: Readonly<Record<string, (options: Values) => void>> = {
  "--memory": (options) => void (options.memory = true),
  "-2": (options) => void (options.resp = 2),
  "-3": (options) => void (options.resp = 3),
  "-x": (options) => void (options.fromInput = true),
  "-e": (options) => void (options.failsOnError = true),
  "--tls": (options) => void (options.tls = true),
  "--insecure": (options) => void (options.insecure = true),
  "--raw": (options) => void (options.mode = "raw"),
  "--no-raw": (options) => void (options.mode = "standard"),
  "--csv": (options) => void (options.mode = "csv"),
  "--json": (options) => void (options.mode = "json"),
  "--quoted-json": (options) => void (options.mode = "quoted-json"),
  "--quoted-input": (options) => void (options.quotedInput = true),
  "-c": (options) => void (options.cluster = true),
  "--scan": (options) => void (options.task = "scan"),
  "--pipe": (options) => void (options.task = "pipe"),
  "--bigkeys": (options) => void (options.task = "bigkeys"),
  "--memkeys": (options) => void (options.task = "memkeys"),
  "--hotkeys": (options) => void (options.task = "hotkeys"),
  "--stat": (options) => void (options.task = "stat"),
  "--latency": (options) => void (options.task = "latency"),
  "--latency-history": (options) => void (options.task = "latency-history"),
  "--no-auth-warning": (options) => void (options.isTold = false),
};

const VALUES: Readonly<Record<string, (options: Values, word: string) => void>> = {
  "--dir": (options, word) => void (options.dir = word),
  "-h": (options, word) => void (options.host = word),
  "-p": (options, word) => void (options.port = numberOf("-p", word, 0, 65535)),
  "-s": (options, word) => void (options.socket = word),
  "-u": uri,
  "-a": password,
  "--pass": password,
  "--user": (options, word) => void (options.user = word),
  "-n": (options, word) => void (options.db = numberOf("-n", word, 0, 16383)),
  "-r": (options, word) => void (options.repeat = numberOf("-r", word, -1, 2 ** 31)),
  "-i": (options, word) => void (options.interval = secondsOf(word)),
  "-X": (options, word) => void (options.fromInput = word),
  "-d": (options, word) => void (options.elementDelimiter = latin1(word)),
  "-D": (options, word) => void (options.commandDelimiter = latin1(word)),
  "--sni": (options, word) => void (options.sni = word),
  "--cacert": (options, word) => void (options.cacert = word),
  "--cert": (options, word) => void (options.cert = word),
  "--key": (options, word) => void (options.key = word),
  "--show-pushes": (options, word) => void (options.showPushes = /^y/i.test(word)),
  "--eval": (options, word) => void (options.eval = word),
  "--memkeys-samples": samples,
  "--rdb": (options, word) => rdb(options, "rdb", word),
  "--functions-rdb": (options, word) => rdb(options, "functions-rdb", word),
  "--pipe-timeout": (options, word) => void (options.pipeTimeout = numberOf("--pipe-timeout", word, 0, 2 ** 31 / 1000)),
  "--pattern": (options, word) => void (options.pattern = Buffer.from(word)),
  "--quoted-pattern": quotedPattern,
  "--count": (options, word) => void (options.count = String(numberOf("--count", word, 1, 2 ** 31))),
  "--type": (options, word) => void (options.type = word),
};

const latin1 = (text: string): string => Buffer.from(text).toString("latin1");

/** @throws UsageError for what is no option, lacks its word, or does not go with another one. */
export function optionsOf(words: readonly string[], isTerminal: boolean): CliOptions {
  const options = defaults(isTerminal);
  const seen = new Set<string>();
  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith("-") || word === "-") break;
    const flag = Object.hasOwn(FLAGS, word) ? FLAGS[word] : undefined;
    seen.add(word);
    if (flag) {
      flag(options);
      continue;
    }
    const value = Object.hasOwn(VALUES, word) ? VALUES[word] : undefined;
    if (!value) throw new UsageError(`Unrecognized option or bad number of args for: '${word}'`);
    if (index + 1 >= words.length) throw new UsageError(`Unrecognized option or bad number of args for: '${word}'`);
    value(options, words[++index]!);
    // What comes after a script are its keys.
    if (word === "--eval") {
      index++;
      break;
    }
  }
  for (const [one, other, mistake] of EXCLUSIVE) {
    if (seen.has(one) && seen.has(other)) throw new UsageError(mistake);
  }
  const protocol = seen.has("-2") || seen.has("-3");
  if (!protocol && (options.mode === "json" || options.mode === "quoted-json")) options.resp = 3;
  if (options.user !== undefined && options.password === undefined) throw new UsageError("--user needs a password: -a, or REDISCLI_AUTH");
  return { ...options, words: words.slice(index) };
}

/** Options that do not go together, with what is said of it. */
const EXCLUSIVE: readonly (readonly [string, string, string])[] = [
  ["-c", "-s", "Options -c and -s are mutually exclusive."],
  ["-2", "-3", "Options -2 and -3 are mutually exclusive."],
  ["-x", "-X", "Options -x and -X are mutually exclusive."],
  ["--rdb", "--functions-rdb", "Option --functions-rdb and --rdb are mutually exclusive."],
  ["--dir", "--memory", "--dir and --memory exclude each other"],
  ["-x", "--quoted-input", "-x and --quoted-input exclude each other"],
];

function defaults(isTerminal: boolean): Values {
  return {
    dir: undefined,
    memory: false,
    host: "127.0.0.1",
    port: 6379,
    socket: undefined,
    user: undefined,
    password: process.env.REDISCLI_AUTH,
    isTold: false,
    db: 0,
    resp: 2,
    repeat: 1,
    interval: 0,
    fromInput: undefined,
    failsOnError: false,
    elementDelimiter: "\n",
    commandDelimiter: "\n",
    tls: false,
    sni: undefined,
    cacert: undefined,
    cert: undefined,
    key: undefined,
    insecure: false,
    mode: isTerminal || process.env.FAKETTY !== undefined ? "standard" : "raw",
    quotedInput: false,
    showPushes: isTerminal,
    eval: undefined,
    cluster: false,
    task: undefined,
    rdbPath: "",
    memorySamples: undefined,
    pipeTimeout: 30,
    pattern: undefined,
    count: undefined,
    type: undefined,
  };
}

function password(options: Values, word: string): void {
  [options.password, options.isTold] = [word, true];
}

function samples(options: Values, word: string): void {
  options.task = "memkeys";
  options.memorySamples = String(numberOf("--memkeys-samples", word, 0, 2 ** 31));
}

function rdb(options: Values, task: "rdb" | "functions-rdb", path: string): void {
  [options.task, options.rdbPath] = [task, path];
}

function quotedPattern(options: Values, word: string): void {
  const [pattern, more] = split(word) ?? [];
  if (pattern === undefined || more !== undefined) throw new UsageError("Invalid quoted string specified for --quoted-pattern.");
  options.pattern = pattern;
}

function uri(options: Values, word: string): void {
  const url = URL.canParse(word) ? new URL(word) : undefined;
  if (!url || !["redis:", "rediss:"].includes(url.protocol)) throw new UsageError("Invalid URI scheme");
  options.tls ||= url.protocol === "rediss:";
  if (url.hostname !== "") options.host = url.hostname.replace(/^\[|\]$/g, "");
  if (url.port !== "") options.port = Number(url.port);
  if (url.username !== "") options.user = decodeURIComponent(url.username);
  if (url.password !== "") password(options, decodeURIComponent(url.password));
  if (url.pathname.length > 1) options.db = numberOf("-u", url.pathname.slice(1), 0, 16383);
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option} is a number from ${least} to ${most}, not "${text}"`);
}

function secondsOf(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value < 2 ** 31 / 1000) return value;
  throw new UsageError(`-i is a number of seconds, not "${text}"`);
}
