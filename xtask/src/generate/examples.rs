//! An example for each group of commands. `tests/node/examples.test.ts` runs them: what a comment at the end
//! of a line says, is answered.

/// By the name of the group.
pub const EXAMPLES: &[(&str, &str)] = &[
    (
        "bitmap",
        r#"await redis.setBit("seen", 7, 1); // 0
await redis.bitCount("seen"); // 1
await redis.bitField("counters", "INCRBY", "u8", 0, 200, "OVERFLOW", "SAT", "INCRBY", "u8", 0, 200); // [200, 255]"#,
    ),
    (
        "connection",
        r#"await redis.ping(); // "PONG"
await redis.select(1); // "OK"
await redis.clientSetName("tab"); // "OK"
await redis.clientGetName(); // "tab""#,
    ),
    (
        "generic",
        r#"await redis.set("session", "abc");
await redis.expire("session", 60, "NX"); // 1
await redis.ttl("session"); // 60
await redis.type("session"); // "string"
await redis.rename("session", "old"); // "OK"
await redis.scan(0, { MATCH: "o*", COUNT: 100 }); // ["0", ["old"]]
await redis.unlink("old", "nothing"); // 1"#,
    ),
    (
        "geo",
        r#"await redis.geoAdd("cities", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"); // 2
await redis.geoDist("cities", "Palermo", "Catania", "KM"); // "166.2742"
await redis.geoSearch("cities", "FROMLONLAT", 15, 37, "BYRADIUS", 100, "KM"); // ["Catania"]
await redis.geoSearch("cities", { FROMMEMBER: "Palermo", BYRADIUS: [1, "KM"], WITHDIST: true }); // [["Palermo", "0.0000"]]"#,
    ),
    (
        "hash",
        r#"await redis.hSet("user:1", { name: "Ada", visits: 1 }); // 2
await redis.hIncrBy("user:1", "visits", 1); // 2
await redis.hGetAll("user:1"); // { name: "Ada", visits: "2" }
await redis.hExpire("user:1", 60, "FIELDS", 1, "visits"); // [1]"#,
    ),
    (
        "hyperloglog",
        r#"await redis.pfAdd("visitors", "ada", "bob", "ada"); // 1
await redis.pfCount("visitors"); // 2"#,
    ),
    (
        "list",
        r#"await redis.rPush("jobs", "a", "b", "c"); // 3
await redis.lPop("jobs"); // "a"
await redis.lPop("jobs", 2); // ["b", "c"]
await redis.blPop("jobs", 0.01); // null
const next = redis.blPop("jobs", 0, { signal: AbortSignal.timeout(1000) });
await redis.rPush("jobs", "d");
await next; // ["jobs", "d"]"#,
    ),
    (
        "pubsub",
        r#"const heard: string[] = [];
const stop = await redis.subscribe("news", (message) => heard.push(message));
await redis.publish("news", "hello"); // 1
await redis.pubSubNumSub("news"); // ["news", 1]
await stop();"#,
    ),
    (
        "scripting",
        r#"import { open } from "lodis/full";

await using redis = await open("scripts");
await redis.set("a", 1);
await redis.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, "a", 41); // 42"#,
    ),
    (
        "server",
        r#"await redis.set("a", 1);
await redis.dbSize(); // 1
await redis.configSet({ maxmemory: "100mb" }); // "OK"
await redis.configGet("maxmemory"); // { maxmemory: "104857600" }
await redis.flushDb(); // "OK""#,
    ),
    (
        "set",
        r#"await redis.sAdd("a", 1, 2, 3); // 3
await redis.sAdd("b", ["2", "3"]); // 2
await redis.sIsMember("a", 1); // 1
await redis.sDiff("a", "b"); // ["1"]
await redis.sInterCard(2, "a", "b", { LIMIT: 1 }); // 1"#,
    ),
    (
        "sorted-set",
        r#"await redis.zAdd("board", 10, "ada", 20, "bob"); // 2
await redis.zAdd("board", "GT", "CH", 15, "ada", 5, "bob"); // 1
await redis.zRange("board", 0, -1); // ["ada", "bob"]
await redis.zRange("board", 0, -1, "REV", "WITHSCORES"); // [["bob", 20], ["ada", 15]]
await redis.zRange("board", 0, 0, { REV: true, WITHSCORES: true }); // [["bob", 20]]
await redis.zRank("board", "bob"); // 1"#,
    ),
    (
        "stream",
        r#"await redis.xAdd("events", "1-1", { type: "click" }); // "1-1"
await redis.xRange("events", "-", "+", { COUNT: 10 }); // [["1-1", ["type", "click"]]]
await redis.xGroupCreate("events", "workers", 0); // "OK"
await redis.xReadGroup("GROUP", "workers", "me", "STREAMS", "events", ">"); // { events: [["1-1", ["type", "click"]]] }
await redis.xAck("events", "workers", "1-1"); // 1"#,
    ),
    (
        "string",
        r#"await redis.set("name", "Ada", { EX: 60, NX: true }); // "OK"
await redis.set("name", "Bob", "NX"); // null
await redis.get("name"); // "Ada"
await redis.bytes.get("name"); // new Uint8Array([65, 100, 97])
await redis.incrBy("visits", 2); // 2
await redis.mGet("name", "visits", "nothing"); // ["Ada", "2", null]
await redis.set("large", 2n ** 53n); // "OK"
await redis.incr("large"); // 9007199254740993n"#,
    ),
    (
        "transactions",
        r#"await redis.watch("stock");
const stock = Number(await redis.get("stock"));
await redis.multi().set("stock", stock + 1).get("stock").exec(); // ["OK", "1"]"#,
    ),
];
