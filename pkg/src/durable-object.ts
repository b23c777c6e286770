// The entry for Durable Objects: the module comes with the script, as everything does there.
import core from "./lodis_bg.wasm";
import { StoredObject } from "./durable/object.js";
import { onlyCore } from "./one-module.js";

export type { ObjectOptions } from "./durable/object.js";
export { lodisOf } from "./durable/remote.js";
export type { ObjectNamespace, ObjectStub, RemoteBytes, RemoteRedis } from "./durable/remote.js";
export * from "./exports.js";
export { objectStore, type ObjectStorage, type ObjectValues } from "./stores/durable-object.js";

const source = onlyCore(core);

/** A Durable Object that is a Redis; see `StoredObject`. */
export class LodisObject<Env = unknown> extends StoredObject<Env> {
  /** Called by Cloudflare. */
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, source, false);
  }
}
