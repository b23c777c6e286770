// The entry for Durable Objects, with scripting.
import full from "./lodis_full_bg.wasm";
import { StoredObject } from "./durable/object.js";
import { onlyFull } from "./one-module.js";

export type { ObjectOptions } from "./durable/object.js";
export { lodisOf } from "./durable/remote.js";
export type { ObjectNamespace, ObjectStub, RemoteBytes, RemoteRedis } from "./durable/remote.js";
export * from "./exports.js";
export { objectStore, type ObjectStorage, type ObjectValues } from "./stores/durable-object.js";

const source = onlyFull(full);

/** A Durable Object that is a Redis with scripting; see `StoredObject`. */
export class LodisObject<Env = unknown> extends StoredObject<Env> {
  /** Called by Cloudflare. */
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, source, true);
  }
}
