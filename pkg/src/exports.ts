export type { Hint } from "./boundary/wasm.js";
export type { Atomic, AtomicBytes } from "./atomic.js";
export { Multi, Pipeline } from "./batch.js";
export type { Answers } from "./batch.js";
export type { Persistence } from "./durability.js";
export { ClosedError, FileError, LostError, ReplyError, StoreError } from "./errors.js";
export type { FileErrorCode, StoreErrorCode } from "./errors.js";
export type { FileOptions, Imported, ImportOptions, ImportSource } from "./file-port.js";
export type {
  BitmapCommands,
  ClusterCommands,
  Commands,
  ConnectionCommands,
  GenericCommands,
  GeoCommands,
  Grammars,
  HashCommands,
  HyperloglogCommands,
  ListCommands,
  PubsubCommands,
  ScriptingCommands,
  ServerCommands,
  SetCommands,
  SortedSetCommands,
  StreamCommands,
  StringCommands,
  TransactionsCommands,
} from "./generated/commands.js";
export type { HostKind } from "./hosting.js";
export type { InstanceEvents, Role } from "./host.js";
export type { FieldScanOptions, KeyScanOptions, ScannedField, ScanOptions } from "./iterators.js";
export type { Stop } from "./listening.js";
export type { LiveMethod, LiveOptions, LiveQuery } from "./live.js";
export type { LiveCommand, LiveReply } from "./live-types.js";
export type { MaxmemoryPolicy, OpenOptions, StoreKind } from "./options.js";
export type { Change, Frame, Opened, Store } from "./stores/store.js";
export type { BytesRedis, Redis, SyncBytesRedis, SyncRedis } from "./redis.js";
export type * from "./replies.js";
export type { Salvaged } from "./salvage.js";
export { deleteStore } from "./storage.js";
export type { StorageState } from "./storage.js";
export type { ConsumeOptions, Delivery, StreamMessage, StreamReadOptions } from "./streams.js";
export type { Listener } from "./subscribe.js";
export type {
  Answer,
  Argument,
  Batched,
  Bytes,
  Chained,
  CommandOptions,
  Data,
  Input,
  Repeated,
  Reply,
  Result,
  Waiting,
} from "./types.js";
export { AtomicError } from "./units.js";
export type { AtomicErrorCode } from "./units.js";
export type {
  Cased,
  Grammar,
  OneOf,
  Only,
  Options,
  OptionValue,
  Said,
  With,
  Word,
  Words,
} from "./words.js";
export { UpstreamError } from "./upstream/error.js";
export type { SocketClass, UpstreamOptions } from "./upstream/options.js";
export type { SocketLike } from "./upstream/socket-link.js";
export type { RefusedCommand, Upstream, UpstreamEvents, UpstreamState } from "./upstream/upstream.js";
