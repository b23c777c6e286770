// An app as a user writes it: nothing in it knows of the bundler.
import { open } from "lodis";

const place = new URLSearchParams(location.search).get("host") ?? "page";
const redis = await open("built", { host: place, appendfsync: "always" });
const visits = await redis.incr("visits");
document.body.textContent = `visit ${visits} as ${redis.role}`;
