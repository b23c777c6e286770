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
  /** The parts, each with where it is in both strings: indexes of bytes from 0, the last one included. */
  matches: [
    first: [start: number, end: number],
    second: [start: number, end: number],
    ...With<S, "WITHMATCHLEN", [length: number], []>,
  ][];
  /** How long all of them are together, in bytes. */
  len: number;
};

/** A user, as ACL GETUSER shows it. */
export type AclUser = {
  /** `on` or `off`, `nopass`, `sanitize-payload` or `skip-sanitize-payload`. */
  flags: string[];
  /** SHA-256 of each password, in hexadecimal. */
  passwords: string[];
  /** Which commands are allowed, as rules: `-@all +get`. */
  commands: string;
  /** Patterns of keys: `~app:* %R~shared:*`. */
  keys: string;
  /** Patterns of channels: `&news:*`. */
  channels: string;
  /** What is allowed besides, each by itself. */
  selectors: {
    /** Which commands, as rules. */
    commands: string;
    /** Patterns of keys. */
    keys: string;
    /** Patterns of channels. */
    channels: string;
  }[];
};

/** An entry of ACL LOG. */
export type AclLogEntry = {
  /** How often it has happened, within a minute of the time before. */
  count: number;
  /** What was not allowed: `command`, `key`, `channel` or `auth`. */
  reason: string;
  /** Where it was asked for: `toplevel`, `multi`, `lua` or `module`. */
  context: string;
  /** The command, key or channel; of `auth`, `AUTH`. */
  object: string;
  /** The user who has asked for it. */
  username: string;
  /** Seconds since it has happened last. */
  "age-seconds": number;
  /** The client that has asked for it last, as a line of CLIENT LIST. */
  "client-info": string;
  /** The number of the entry, from 0. */
  "entry-id": number;
  /** When it has happened first: milliseconds since 1970. */
  "timestamp-created": number;
  /** When it has happened last: milliseconds since 1970. */
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
  /** What is special about it. */
  notes?: Text;
  /** What becomes of the keys. */
  flags: KeyFlag[];
  /** Where to begin. */
  begin_search: BeginSearch<Text>;
  /** Which words are keys from there. */
  find_keys: FindKeys<Text>;
};

/** Where in a command a search for keys begins. */
export type BeginSearch<Text = string> =
  | {
      /** `index`. */
      type: Text;
      /** At a word that is always the same one. */
      spec: {
        /** The index of the word; the name of the command is 0. */
        index: number;
      };
    }
  | {
      /** `keyword`. */
      type: Text;
      /** After a word. */
      spec: {
        /** Which word. */
        keyword: Text;
        /** Where it is looked for: an index, or a negative one to look backwards from the end. */
        startfrom: number;
      };
    }
  | {
      /** `unknown`. */
      type: Text;
      /** Nothing more. */
      spec: Record<string, never>;
    };

/** Which words are keys, from where a search begins. */
export type FindKeys<Text = string> =
  | {
      /** `range`. */
      type: Text;
      /** Words up to one. */
      spec: {
        /** The last key, counted from the first; from the end of the words if it is negative. */
        lastkey: number;
        /** Each so many words is a key. */
        keystep: number;
        /** With a `lastkey` of -1: only the first of so many parts of the words; 0 or 1 for all. */
        limit: number;
      };
    }
  | {
      /** `keynum`. */
      type: Text;
      /** As many words as another one says. */
      spec: {
        /** Where the number is, counted from where the search begins. */
        keynumidx: number;
        /** Where the first key is, counted likewise. */
        firstkey: number;
        /** Each so many words is a key. */
        keystep: number;
      };
    }
  | {
      /** `unknown`. */
      type: Text;
      /** Nothing more. */
      spec: Record<string, never>;
    };

/** A command, as COMMAND DOCS describes it. */
export type CommandDocs = {
  /** What it does, in a sentence. */
  summary: string;
  /** The version of Redis that has it first. */
  since: string;
  /** Which commands it belongs to: `string`, `sorted-set`, … */
  group: string;
  /** What it costs. */
  complexity?: string;
  /** Whether it is better not used any more. */
  doc_flags?: "deprecated"[];
  /** Since which version. */
  deprecated_since?: string;
  /** What to use in place of it. */
  replaced_by?: string;
  /** What it takes. */
  arguments?: CommandArgument[];
  /** Its subcommands, by `command|subcommand`. */
  subcommands?: Record<string, CommandDocs>;
};

/** An argument, as COMMAND DOCS describes it. */
export type CommandArgument = {
  /** What it is called. */
  name: string;
  /** What it is: `string`, `integer`, `key`, `pure-token`, `oneof`, `block`, … */
  type: string;
  /** How it is shown. */
  display_text?: string;
  /** Of a key: the index of its specification. */
  key_spec_index?: number;
  /** The word that is, or that comes before, the argument: `EX`. */
  token?: string;
  /** Whether it may be left out or repeated, and whether its word is then repeated too. */
  flags?: ("optional" | "multiple" | "multiple_token")[];
  /** Of `oneof` and `block`: the arguments that these consist of. */
  arguments?: CommandArgument[];
};

/** A flag of a function. */
export type FunctionFlag =
  | "no-writes" | "allow-oom" | "allow-stale" | "no-cluster" | "allow-cross-slot-keys";

/** A library, as FUNCTION LIST shows it. */
export type FunctionLibrary<S> = {
  /** What it is called. */
  library_name: string;
  /** The language: `LUA`. */
  engine: string;
  /** What it has. */
  functions: {
    /** What FCALL calls it. */
    name: string;
    /** What it was registered with, if with anything. */
    description: string | null;
    /** What it may do. */
    flags: FunctionFlag[];
  }[];
} & With<
  S,
  "WITHCODE",
  {
    /** Its source. */
    library_code: string;
  },
  unknown
>;

/** What FUNCTION STATS answers. */
export type FunctionStats = {
  /** The function that runs, if there is one. */
  running_script: {
    /** What it is called. */
    name: string;
    /** The command that has called it. */
    command: string[];
    /** For how long it runs, in milliseconds. */
    duration_ms: number;
  } | null;
  /** What there is, by language: `LUA`. */
  engines: Record<
    string,
    {
      /** How many libraries. */
      libraries_count: number;
      /** How many functions. */
      functions_count: number;
    }
  >;
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
  /** How many groups it has. */
  groups: number;
  /** The oldest entry. */
  "first-entry": StreamEntry | null;
  /** The newest entry. */
  "last-entry": StreamEntry | null;
};

/** A stream, as `XINFO STREAM … FULL` shows it. */
export type FullStreamInfo = StreamCounts & {
  /** Its first entries: as many as COUNT says, 10 without it, all with 0. */
  entries: StreamEntry[];
  /** Its groups. */
  groups: {
    /** What it is called. */
    name: string;
    /** The last entry that was delivered. */
    "last-delivered-id": string;
    /** How many it has read, if that is known. */
    "entries-read": number | null;
    /** How many it has yet to read, if that is known. */
    lag: number | null;
    /** How many were delivered and not acknowledged. */
    "pel-count": number;
    /** The first of these; the time of delivery in milliseconds since 1970. */
    pending: [id: string, consumer: string, delivered: number, deliveries: number][];
    /** Who reads. */
    consumers: {
      /** What it is called. */
      name: string;
      /** When it was heard of last: milliseconds since 1970. */
      "seen-time": number;
      /** When it was given an entry last: milliseconds since 1970, or -1 if never. */
      "active-time": number;
      /** How many it was given and has not acknowledged. */
      "pel-count": number;
      /** The first of these; the time of delivery in milliseconds since 1970. */
      pending: [id: string, delivered: number, deliveries: number][];
    }[];
  }[];
};

/** What XINFO STREAM always shows. */
export type StreamCounts = {
  /** How many entries it has. */
  length: number;
  /** How many blocks the entries are in. */
  "radix-tree-keys": number;
  /** How many nodes the tree of these has. */
  "radix-tree-nodes": number;
  /** The id that was given last. */
  "last-generated-id": string;
  /** The highest id that was deleted; `0-0` if none was. */
  "max-deleted-entry-id": string;
  /** How many entries were ever added. */
  "entries-added": number;
  /** The id of the oldest entry; `0-0` if there is none. */
  "recorded-first-entry-id": string;
};

/** A group, as XINFO GROUPS shows it. */
export type StreamGroup = {
  /** What it is called. */
  name: string;
  /** How many consumers it has. */
  consumers: number;
  /** How many entries were delivered and not acknowledged. */
  pending: number;
  /** The last entry that was delivered. */
  "last-delivered-id": string;
  /** How many it has read, if that is known. */
  "entries-read": number | null;
  /** How many it has yet to read, if that is known. */
  lag: number | null;
};

/** A consumer, as XINFO CONSUMERS shows it. */
export type StreamConsumer = {
  /** What it is called. */
  name: string;
  /** How many entries it was given and has not acknowledged. */
  pending: number;
  /** Since when it was not heard of, in milliseconds. */
  idle: number;
  /** Since when it was given nothing, in milliseconds; -1 if it never was. */
  inactive: number;
};

/** What XPENDING answers of a group. */
export type PendingSummary = [
  count: number,
  first: string | null,
  last: string | null,
  consumers: [consumer: string, count: string][] | null,
];

/** An entry that was delivered and not acknowledged. */
export type PendingEntry = [id: string, consumer: string, idle: number, deliveries: number];
