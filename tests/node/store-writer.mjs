// Writes to a directory until it is killed, and tells how many writes were acknowledged.
import { open } from "lodis";
import { directory } from "lodis/stores/directory";

const redis = await open("app", { store: directory(process.argv[2]), appendfsync: "always" });
await redis.configSet({ "auto-aof-rewrite-min-size": "2kb" });
for (let count = 1; ; count++) {
  await redis.multi().incr("count").rPush("list", `${count}`).exec();
  process.send(count);
}
