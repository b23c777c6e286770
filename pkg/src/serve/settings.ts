// The settings of redis.conf that are the server's and not the engine's.
import { statSync } from "node:fs";
import { resolve } from "node:path";

/** Whom a TLS port asks for a certificate. */
export type AuthClients = "yes" | "no" | "optional";

/** What the server itself goes by. Names are those of redis.conf, values those of CONFIG GET. */
export interface ServerSettings {
  port: number;
  /** Addresses; one with a `-` before it may be missing on this machine. */
  bind: readonly string[];
  "protected-mode": boolean;
  unixsocket: string;
  /** As mode; 0 leaves it as the system has it. */
  unixsocketperm: number;
  "tcp-backlog": number;
  "tls-port": number;
  "tls-cert-file": string;
  "tls-key-file": string;
  "tls-key-file-pass": string;
  "tls-ca-cert-file": string;
  "tls-ca-cert-dir": string;
  "tls-auth-clients": AuthClients;
  "tls-protocols": string;
  "tls-ciphers": string;
  "tls-ciphersuites": string;
  "tls-prefer-server-ciphers": boolean;
  /** Absolute; where nothing is kept, empty. */
  dir: string;
  dbfilename: string;
  pidfile: string;
  aclfile: string;
  databases: number;
  /** Not of Redis: where the REST API of Upstash is served, 0 for nowhere. */
  "rest-port": number;
}

/** What a server begins with. */
export const DEFAULTS: Readonly<ServerSettings> = {
  port: 6379,
  bind: ["127.0.0.1"],
  "protected-mode": true,
  unixsocket: "",
  unixsocketperm: 0,
  "tcp-backlog": 511,
  "tls-port": 0,
  "tls-cert-file": "",
  "tls-key-file": "",
  "tls-key-file-pass": "",
  "tls-ca-cert-file": "",
  "tls-ca-cert-dir": "",
  "tls-auth-clients": "yes",
  "tls-protocols": "",
  "tls-ciphers": "",
  "tls-ciphersuites": "",
  "tls-prefer-server-ciphers": false,
  dir: "",
  dbfilename: "dump.rdb",
  pidfile: "",
  aclfile: "",
  databases: 16,
  "rest-port": 0,
};

/** What it is told it cannot be: the reason. */
export class Refused extends Error {}

type Name = keyof ServerSettings;
type Read<N extends Name> = (words: readonly string[]) => ServerSettings[N];

function integer(least: number, most: number): (words: readonly string[]) => number {
  return ([word = ""]) => {
    if (!/^-?\d{1,18}$/.test(word)) throw new Refused("argument couldn't be parsed into an integer");
    const value = Number(word);
    if (value < least || value > most) throw new Refused(`argument must be between ${least} and ${most} inclusive`);
    return value;
  };
}

function yesOrNo([word = ""]: readonly string[]): boolean {
  const lower = word.toLowerCase();
  if (lower !== "yes" && lower !== "no") throw new Refused("argument must be 'yes' or 'no'");
  return lower === "yes";
}

const text = ([word = ""]: readonly string[]): string => word;
const path = ([word = ""]: readonly string[]): string => (word === "" ? "" : resolve(word));

function octal([word = ""]: readonly string[]): number {
  if (!/^[0-7]{1,4}$/.test(word)) throw new Refused("argument couldn't be parsed as an octal number");
  return Number.parseInt(word, 8);
}

function directory([word = ""]: readonly string[]): string {
  const path = resolve(word);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) throw new Refused("Not a directory");
  return path;
}

function fileName([word = ""]: readonly string[]): string {
  if (word === "" || /[/\\]/.test(word)) throw new Refused("dbfilename can't be a path, just a filename");
  return word;
}

function authClients([word = ""]: readonly string[]): AuthClients {
  const found = (["no", "yes", "optional"] as const).find((known) => known === word.toLowerCase());
  if (!found) throw new Refused("argument(s) must be one of the following: no, yes, optional");
  return found;
}

function addresses(words: readonly string[]): readonly string[] {
  if (words.length > 16) throw new Refused("wrong number of arguments");
  return words.length === 1 ? words[0]!.split(" ").filter((word) => word !== "") : words;
}

const READ: { readonly [N in Name]: Read<N> } = {
  port: integer(0, 65535),
  bind: addresses,
  "protected-mode": yesOrNo,
  unixsocket: path,
  unixsocketperm: octal,
  "tcp-backlog": integer(0, 2147483647),
  "tls-port": integer(0, 65535),
  "tls-cert-file": path,
  "tls-key-file": path,
  "tls-key-file-pass": text,
  "tls-ca-cert-file": path,
  "tls-ca-cert-dir": path,
  "tls-auth-clients": authClients,
  "tls-protocols": text,
  "tls-ciphers": text,
  "tls-ciphersuites": text,
  "tls-prefer-server-ciphers": yesOrNo,
  dir: directory,
  dbfilename: fileName,
  pidfile: path,
  aclfile: path,
  databases: integer(1, 16384),
  "rest-port": integer(0, 65535),
};

/** Whether a directive is one of these settings. */
export function isSetting(name: string): name is Name {
  return Object.hasOwn(READ, name);
}

/**
 * Sets one of them.
 *
 * @throws Refused with the reason, in the words of redis-server.
 */
export function setSetting<N extends Name>(settings: ServerSettings, name: N, words: readonly string[]): void {
  if (words.length === 0 || (words.length > 1 && name !== "bind")) throw new Refused("wrong number of arguments");
  settings[name] = READ[name](words);
}

/** The value of one as CONFIG GET answers it. */
export function shown(settings: ServerSettings, name: Name): string {
  const value = settings[name];
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (name === "unixsocketperm") return settings[name].toString(8);
  return typeof value === "object" ? value.join(" ") : String(value);
}

/** Every one of them. */
export const SETTINGS = Object.keys(READ) as readonly Name[];

/** What Lodis has no use for and may be told all the same: it changes nothing that a client could see. */
export const WITHOUT_USE: ReadonlySet<string> = new Set(
  `active-defrag-cycle-max active-defrag-cycle-min active-defrag-ignore-bytes active-defrag-max-scan-fields
  active-defrag-threshold-lower active-defrag-threshold-upper active-expire-effort activedefrag
  activerehashing always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-incremental-fsync
  aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename bgsave_cpulist
  bind-source-addr bio_cpulist cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down
  cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-hostname cluster-announce-ip
  cluster-announce-port cluster-announce-tls-port cluster-config-file cluster-link-sendbuf-limit
  cluster-migration-barrier cluster-node-timeout cluster-port cluster-preferred-endpoint-type
  cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage
  cluster-slave-no-failover cluster-slave-validity-factor crash-log-enabled crash-memcheck-enabled daemonize
  disable-thp dynamic-hz enable-module-command enable-protected-configs hz ignore-warnings io-threads
  io-threads-do-reads jemalloc-bg-thread latency-tracking-info-percentiles list-compress-depth logfile
  loglevel masterauth masteruser maxmemory-clients min-replicas-max-lag min-replicas-to-write
  min-slaves-max-lag min-slaves-to-write no-appendfsync-on-rewrite oom-score-adj oom-score-adj-values
  proc-title-template propagation-error-behavior rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum
  rdbcompression repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load
  repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-ping-replica-period
  repl-ping-slave-period repl-timeout replica-announce-ip replica-announce-port replica-announced
  replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush replica-priority
  replica-read-only replica-serve-stale-data sanitize-dump-payload server_cpulist set-proc-title
  shutdown-on-sigint shutdown-on-sigterm shutdown-timeout slave-announce-ip slave-announce-port
  slave-ignore-maxmemory slave-lazy-flush slave-priority slave-read-only slave-serve-stale-data socket-mark-id
  supervised syslog-enabled syslog-facility syslog-ident tls-client-cert-file tls-client-key-file
  tls-client-key-file-pass tls-cluster tls-dh-params-file tls-replication tls-session-cache-size
  tls-session-cache-timeout tls-session-caching`.split(/\s+/),
);

/** What would make something else of the server than it can be, unless it is turned off: why it is refused. */
export const BEYOND: Readonly<Record<string, string>> = {
  replicaof: "Lodis is no replica of another server",
  slaveof: "Lodis is no replica of another server",
  "cluster-enabled": "Lodis is no node of a cluster",
  loadmodule: "Lodis loads no modules",
  sentinel: "Lodis is no sentinel",
};
