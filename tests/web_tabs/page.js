export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The names of the locks that are held or waited for, of one name. */
export async function locks_of(name) {
    const { held, pending } = await navigator.locks.query();
    const names = [...held, ...pending].map((lock) => lock.name);
    return names.filter((lock) => lock === `lodis:${name}` || lock.startsWith(`lodis:${name}:`));
}

/** Sends anything on the channel of a name. */
export async function send_raw(name, message) {
    const channel = new BroadcastChannel(`lodis:${name}`);
    channel.postMessage(message);
    await sleep(20);
    channel.close();
}

/** Counts posts on the channel of a name; answers what ends that, and tells how many there were. */
export function count_posts(name) {
    const channel = new BroadcastChannel(`lodis:${name}`);
    let count = 0;
    channel.onmessage = () => count++;
    return () => {
        channel.close();
        return count;
    };
}

/** Sends a greeting; answers the welcome to it. */
export function greet_raw(name, hello) {
    const channel = new BroadcastChannel(`lodis:${name}`);
    const isMine = (post) => {
        const view = new DataView(post.buffer, post.byteOffset, post.length);
        for (let at = 1; at < post.length; at += 4 + view.getUint32(at, true)) {
            const to = post.subarray(at + 13, at + 21);
            if (post[at + 4] === 2 && to.every((byte, index) => byte === hello[6 + index])) return true;
        }
        return false;
    };
    return new Promise((welcomed) => {
        channel.onmessage = ({ data }) => {
            if (!isMine(data)) return;
            channel.close();
            welcomed(data);
        };
        channel.postMessage(hello);
    });
}

/** Holds a lock as another context does; answers what lets go of it. */
export function hold(name, steal) {
    return new Promise((held) => {
        navigator.locks.request(name, { steal }, () => new Promise((release) => held(release)))
            .catch(() => {}); // stolen in turn
    });
}

/** What `navigator.locks` is from now on; answers what undoes it. */
export function replace_locks(kind) {
    const refuse = () => Promise.reject(new DOMException("Refused.", "SecurityError"));
    const value = kind === "refused" ? { request: refuse, query: refuse } : undefined;
    Object.defineProperty(navigator, "locks", { configurable: true, value });
    return () => delete navigator.locks;
}

/** Calls `hook` when the lock called `wanted` has been asked for; answers what undoes it. */
export function after_asking_for(wanted, hook) {
    const { locks } = navigator;
    const request = (name, options, callback) => {
        if (name === wanted) queueMicrotask(hook);
        return locks.request(name, options, callback);
    };
    const value = { request, query: () => locks.query() };
    Object.defineProperty(navigator, "locks", { configurable: true, value });
    return () => delete navigator.locks;
}
