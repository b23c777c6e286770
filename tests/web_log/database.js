// What the tests do to IndexedDB, and to the raw database behind a log.
const refusals = {
    quota() { throw new DOMException("The quota is exceeded.", "QuotaExceededError"); },
    abort(...args) { const request = put.apply(this, args); this.transaction.abort(); return request; },
};
const put = IDBObjectStore.prototype.put;
export function fail_puts(kind) { IDBObjectStore.prototype.put = refusals[kind] ?? put; }

export function replace_global(name, value) {
    const own = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { configurable: true, value });
    return () => own ? Object.defineProperty(globalThis, name, own) : delete globalThis[name];
}
export function refusing_factory(name) {
    return { open() { throw new DOMException("Refused.", name); } };
}

/** Runs `work(log, meta)` in one transaction on the raw database; answers its result. */
export function raw(name, version, work) {
    return new Promise((resolve, reject) => {
        const request = indexedDB.open(`lodis:${name}`, version);
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
            const database = request.result;
            if (!work) { database.close(); return resolve(); }
            const transaction = database.transaction(["log", "meta"], "readwrite");
            const result = work(transaction.objectStore("log"), transaction.objectStore("meta"));
            transaction.oncomplete = () => { database.close(); resolve(result?.result); };
            transaction.onabort = () => { database.close(); reject(transaction.error); };
        };
    });
}
export const read_all = (name) => raw(name, undefined, (log) => log.getAll());
export const read_keys = (name) => raw(name, undefined, (log) => log.getAllKeys());
export const read_manifest = (name) => raw(name, undefined, (log, meta) => meta.get("manifest"));
export const write_manifest = (name, bytes) => raw(name, undefined, (log, meta) => meta.put(bytes, "manifest"));
export const write_record = (name, key, bytes) => raw(name, undefined, (log) => log.put(bytes, key));
export const read_meta_keys = (name) => raw(name, undefined, (log, meta) => meta.getAllKeys());
export const delete_piece = (name) => raw(name, undefined, (log, meta) => meta.delete(IDBKeyRange.bound([0], [Infinity])));
export const raise_version = (name) => raw(name, 7, undefined);

/** Notes the durability of each transaction from now on. */
export function watch_durability() {
    const seen = [];
    const transaction = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
        seen.push(options?.durability ?? mode);
        return transaction.call(this, stores, mode, options);
    };
    return { seen, stop() { IDBDatabase.prototype.transaction = transaction; } };
}
export const seen_by = (watch) => watch.seen;
export const stop_watch = (watch) => watch.stop();
/** Notes connections that are opened from now on. */
const connections = [];
const { open, deleteDatabase } = IDBFactory.prototype;
IDBFactory.prototype.open = function (...args) {
    const request = open.apply(this, args);
    request.addEventListener("success", () => connections.push(request.result));
    return request;
};
/** Breaks the connection that was opened last, as Safari does: it refuses transactions, or says so. */
export function break_connection(kind) {
    const connection = connections.at(-1);
    if (kind === "onclose") {
        // What a browser does that closes a connection.
        connection.close();
        connection.dispatchEvent(new Event("close"));
    } else if (kind === "state") {
        connection.close();
    } else {
        connection.transaction = () => {
            throw new DOMException("Connection to Indexed Database server lost. Refresh the page to try again", kind);
        };
    }
}
/** Lets every attempt to open a database wait until `resume` is called. */
export function hold_opening() {
    const counted = IDBFactory.prototype.open;
    let go;
    const gate = new Promise((resolve) => (go = resolve));
    IDBFactory.prototype.open = function () { return blockedRequest(gate, () => counted.apply(this, arguments)); };
    return () => { IDBFactory.prototype.open = counted; go(); };
}
function blockedRequest(gate, begin) {
    const request = new EventTarget();
    gate.then(() => {
        const real = begin();
        for (const type of ["upgradeneeded", "success", "error"]) {
            real.addEventListener(type, (event) => {
                Object.defineProperty(request, "result", { configurable: true, get: () => real.result });
                request[`on${type}`]?.(event);
            });
        }
    });
    setTimeout(() => request.onblocked?.(new Event("blocked")));
    return request;
}
export const delete_database = (name) => new Promise((resolve, reject) => {
    const request = deleteDatabase.call(indexedDB, `lodis:${name}`);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
});
export const upgrade_database = (name, version) => new Promise((resolve, reject) => {
    const request = open.call(indexedDB, `lodis:${name}`, version);
    request.onsuccess = () => { request.result.close(); resolve(); };
    request.onerror = () => reject(request.error);
});
export const empty_database = (name) => raw(name, undefined, (log, meta) => { log.clear(); return meta.clear(); });
/**
 * Watches transactions that write and are committed by hand. Answers a function that answers the epochs of
 * the fences which they have passed since the last call, 0 for none; called with `true`, it stops.
 */
export function watch_commits() {
    const { commit } = IDBTransaction.prototype;
    const { add } = IDBObjectStore.prototype;
    const passed = new WeakMap();
    let epochs = [];
    IDBObjectStore.prototype.add = function (value, key) {
        passed.set(this.transaction, key[1]);
        return add.call(this, value, key);
    };
    IDBTransaction.prototype.commit = function () {
        if (this.mode === "readwrite") epochs.push(passed.get(this) ?? 0);
        return commit.call(this);
    };
    return (stops) => {
        if (stops) {
            IDBTransaction.prototype.commit = commit;
            IDBObjectStore.prototype.add = add;
        }
        const seen = epochs;
        epochs = [];
        return seen;
    };
}
export const delete_record = (name, key) => raw(name, undefined, (log) => log.delete(key));
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
