import { open } from "lodis";
import { Visits } from "./visits.jsx";

export const dynamic = "force-dynamic";

/** One instance for all requests of this process. */
const opened = (globalThis.lodis ??= open("server"));

export default async function Page() {
  const redis = await opened;
  return (
    <main>
      <p id="server">rendered {await redis.incr("renders")}</p>
      <Visits />
    </main>
  );
}
