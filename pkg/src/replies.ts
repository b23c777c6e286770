// The shapes of replies that several commands have, or that are too large to be said beside one.
import type { With } from "./words.js";

/** An entry of a stream: its id, and fields with their values in turn. */
export type StreamEntry = [id: string, fields: string[]];

/** What GEOSEARCH and its kind find: members, or tuples with what was asked for. */
export type Located<S> = With<
  S,
  "WITHDIST" | "WITHHASH" | "WITHCOORD",
  [
    member: string,
    ...With<S, "WITHDIST", [distance: string], []>,
    ...With<S, "WITHHASH", [hash: number], []>,
    ...With<S, "WITHCOORD", [position: [longitude: number, latitude: number]], []>,
  ],
  string
>[];

/** What `LCS … IDX` answers: where the strings have parts in common, from the last to the first. */
export type CommonParts<S> = {
  matches: [
    first: [start: number, end: number],
    second: [start: number, end: number],
    ...With<S, "WITHMATCHLEN", [length: number], []>,
  ][];
  len: number;
};

/** A user, as ACL GETUSER shows it. */
export type AclUser = {
  flags: string[];
  passwords: string[];
  commands: string;
  keys: string;
  channels: string;
  selectors: { commands: string; keys: string; channels: string }[];
};

/** An entry of ACL LOG. */
export type AclLogEntry = {
  count: number;
  reason: string;
  context: string;
  object: string;
  username: string;
  "age-seconds": number;
  "client-info": string;
  "entry-id": number;
  "timestamp-created": number;
  "timestamp-last-updated": number;
};

/** A flag of a command. */
export type CommandFlag =
  | "write" | "readonly" | "denyoom" | "admin" | "pubsub" | "noscript" | "blocking" | "loading"
  | "stale" | "skip_monitor" | "skip_slowlog" | "fast" | "no_auth" | "no_multi" | "no_mandatory_keys"
  | "movablekeys" | "allow_busy" | "no_async_loading";

/** What a command does to a key. */
export type KeyFlag =
  | "RW" | "RO" | "OW" | "RM" | "access" | "update" | "insert" | "delete" | "not_key" | "incomplete"
  | "variable_flags";

/** A command, as COMMAND INFO describes it. */
export type CommandInfo<Text = string> = [
  name: Text,
  arity: number,
  flags: CommandFlag[],
  firstKey: number,
  lastKey: number,
  step: number,
  categories: `@${string}`[],
  tips: Text[],
  keySpecifications: KeySpecification<Text>[],
  subcommands: CommandInfo<Text>[],
];

/** Where a command has keys. */
export type KeySpecification<Text = string> = {
  notes?: Text;
  flags: KeyFlag[];
  begin_search:
    | { type: Text; spec: { index: number } }
    | { type: Text; spec: { keyword: Text; startfrom: number } }
    | { type: Text; spec: Record<string, never> };
  find_keys:
    | { type: Text; spec: { lastkey: number; keystep: number; limit: number } }
    | { type: Text; spec: { keynumidx: number; firstkey: number; keystep: number } }
    | { type: Text; spec: Record<string, never> };
};

/** A command, as COMMAND DOCS describes it. */
export type CommandDocs = {
  summary: string;
  since: string;
  group: string;
  complexity?: string;
  doc_flags?: "deprecated"[];
  deprecated_since?: string;
  replaced_by?: string;
  arguments?: CommandArgument[];
  subcommands?: Record<string, CommandDocs>;
};

/** An argument, as COMMAND DOCS describes it. */
export type CommandArgument = {
  name: string;
  type: string;
  display_text?: string;
  key_spec_index?: number;
  token?: string;
  flags?: ("optional" | "multiple" | "multiple_token")[];
  arguments?: CommandArgument[];
};

/** A flag of a function. */
export type FunctionFlag =
  | "no-writes" | "allow-oom" | "allow-stale" | "no-cluster" | "allow-cross-slot-keys";

/** A library, as FUNCTION LIST shows it. */
export type FunctionLibrary<S> = {
  library_name: string;
  engine: string;
  functions: { name: string; description: string | null; flags: FunctionFlag[] }[];
} & With<S, "WITHCODE", { library_code: string }, unknown>;

/** What FUNCTION STATS answers. */
export type FunctionStats = {
  running_script: { name: string; command: string[]; duration_ms: number } | null;
  engines: Record<string, { libraries_count: number; functions_count: number }>;
};

/** An entry of SLOWLOG GET. */
export type SlowlogEntry = [
  id: number,
  seconds: number,
  microseconds: number,
  words: string[],
  address: string,
  name: string,
];

/** A stream, as XINFO STREAM shows it. */
export type StreamInfo = StreamCounts & {
  groups: number;
  "first-entry": StreamEntry | null;
  "last-entry": StreamEntry | null;
};

/** A stream, as `XINFO STREAM … FULL` shows it. */
export type FullStreamInfo = StreamCounts & {
  entries: StreamEntry[];
  groups: {
    name: string;
    "last-delivered-id": string;
    "entries-read": number | null;
    lag: number | null;
    "pel-count": number;
    pending: [id: string, consumer: string, delivered: number, deliveries: number][];
    consumers: {
      name: string;
      "seen-time": number;
      "active-time": number;
      "pel-count": number;
      pending: [id: string, delivered: number, deliveries: number][];
    }[];
  }[];
};

/** What XINFO STREAM always shows. */
export type StreamCounts = {
  length: number;
  "radix-tree-keys": number;
  "radix-tree-nodes": number;
  "last-generated-id": string;
  "max-deleted-entry-id": string;
  "entries-added": number;
  "recorded-first-entry-id": string;
};

/** A group, as XINFO GROUPS shows it. */
export type StreamGroup = {
  name: string;
  consumers: number;
  pending: number;
  "last-delivered-id": string;
  "entries-read": number | null;
  lag: number | null;
};

/** A consumer, as XINFO CONSUMERS shows it; times in milliseconds. */
export type StreamConsumer = { name: string; pending: number; idle: number; inactive: number };

/** What XPENDING answers of a group. */
export type PendingSummary = [
  count: number,
  first: string | null,
  last: string | null,
  consumers: [consumer: string, count: string][] | null,
];

/** An entry that was delivered and not acknowledged. */
export type PendingEntry = [id: string, consumer: string, idle: number, deliveries: number];
