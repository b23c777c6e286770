import type { StoreCalls } from "../stores/calls.js";

/** One engine. */
export interface Lodis {
  connect(resp: number): number;
  fork(session: number): number;
  database(session: number): number;
  mayEverything(session: number): boolean;
  unblock(session: number): boolean;
  renew(session: number): void;
  inTransaction(session: number): boolean;
  disconnect(session: number): void;
  reserve(bytes: number): number;
  head(): number;
  generations(session: number): number;
  exec(session: number, bytes: number, nowMs: number): number;
  beginAtomic(session: number, trial: boolean, nowMs: number): boolean;
  endAtomic(session: number, kept: boolean): number;
  openConnection(address: string, nowMs: number): number;
  setUnsent(connection: number, bytes: number): void;
  keepAlive(): number;
  receive(connection: number, bytes: number, nowMs: number): number;
  closeConnection(connection: number): void;
  takeMessages(): number;
  tick(nowMs: number): number;
  attention(): number;
  commandNames(): string;
  offset(): number;
  hints(): Hint[];
  beginExport(aof: boolean, nowMs: number): boolean;
  stepExport(): number;
  takeExport(): Uint8Array<ArrayBuffer>;
  endExport(): void;
  beginImport(nowMs: number): void;
  pushImport(bytes: number): void;
  stepImport(): boolean;
  finishImport(nowMs: number): Float64Array;
  endImport(): void;
  free(): void;
}

/** One engine of the module that has a host beside it: see src/web/hosted.rs. */
export interface HostedLodis extends Lodis {
  configure(name: string, words: string): string | undefined;
  setting(name: string): string | undefined;
  settings(): string;
  tellSetting(name: string, value: string): void;
  attachHost(saves: boolean, configFile: string): void;
  errands(): number;
  changes(): number;
  forgetChanges(): void;
  beganSaving(): void;
  saved(error: string | undefined, nowMs: number): void;
  rewroteConfig(error: string | undefined): void;
}

/** A command, for completion and hints; `syntax` as redis-cli prints it. */
export interface Hint {
  /** In capitals, a subcommand after its container: `CONFIG GET`. */
  name: string;
  /** The arguments, as the reference writes them. */
  syntax: string;
  /** One sentence. */
  summary: string;
  /** The group of the reference: `string`, `sorted-set`, … */
  group: string;
  /** The version of Redis that first had it. */
  since: string;
  /** What it costs. */
  complexity: string;
  /** Whether it changes nothing. */
  readOnly: boolean;
}

/** The log of one engine in its store. */
export interface Log {
  written(nowMs: number): void;
  durableOffset(): number;
  isSaved(): boolean;
  waitsForStore(): boolean;
  flush(): Promise<number>;
  hidden(): void;
  error(): string | undefined;
  abandon(): void;
  close(): Promise<void>;
  free(): void;
}

/** What a log reports. */
export type LogEvent =
  | "durable"
  | "failed"
  | "recovered"
  | "fenced"
  | "lost"
  | "blocked"
  | "progress"
  | "cut"
  | "rewritten"
  | "rewriteFailed";

/** One context's part in a name. */
export interface Tabs {
  attach(session: number): void;
  request(seq: number, frame: Uint8Array, blocks: boolean): void;
  cancel(seq: number): void;
  resume(): void;
  written(): void;
  mayWrite(): boolean;
  verify(): void;
  leave(): void;
  come(): void;
  close(): void;
  free(): void;
}

/** How a context takes part in a name. */
export interface TabsOptions {
  appendOnly: boolean;
  appendFsync: "always" | "everysec" | "no";
  replica: boolean;
  leads: boolean;
  silenceMs: number;
}

/** What happens between tabs. */
export type TabsEvent =
  | { type: "lead"; log: Log }
  | { type: "follow"; transaction: boolean; tracking: 0 | 1 | 2 }
  | { type: "welcome" }
  | { type: "copy"; readable: boolean }
  | { type: "thin" }
  | { type: "reply"; seq: number; reply: Uint8Array; transaction: boolean; tracking: 0 | 1 | 2 }
  | { type: "lost"; seq: number }
  | { type: "push"; messages: Uint8Array }
  | { type: "ran" }
  | { type: "tabs"; count: number }
  | { type: "failed"; error: Error };

/** Where the module can be loaded from. */
export type Source = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/** The wasm-bindgen module: what `cargo xtask wasm` writes to pkg/wasm, and pkg/wasm-full. */
export interface Module {
  readonly Lodis: new (options: {
    databases?: number;
    maxmemory?: string | undefined;
    maxmemoryPolicy?: string | undefined;
    requirepass?: string | undefined;
    users?: readonly string[] | undefined;
    renames?: readonly string[] | undefined;
    enableDebugCommand?: string | undefined;
    nowMs: number;
  }) => Lodis;
  readonly Log: {
    open(
      lodis: Lodis,
      store: string | StoreCalls,
      options: { appendOnly: boolean; appendFsync: "always" | "everysec" | "no" },
      onEvent: (type: LogEvent, value: number | string) => void,
    ): Promise<Log>;
    salvage(
      lodis: Lodis,
      store: string | StoreCalls,
      onEvent: (type: LogEvent, value: number | string) => void,
    ): Promise<string | undefined>;
  };
  readonly Tabs: {
    join(
      lodis: Lodis,
      session: number,
      name: string,
      store: StoreCalls | undefined,
      options: TabsOptions,
      onEvent: (event: TabsEvent) => void,
      onLog: (type: LogEvent, value: number | string) => void,
    ): Tabs;
  };
  default(options: {
    module_or_path: Source | Promise<Source>;
  }): Promise<{ memory: WebAssembly.Memory }>;
}
