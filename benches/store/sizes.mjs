// What the bytes of keys and values come to: handed to the store, written to the disk, and kept there.
import { readFile } from "node:fs/promises";

const WRITERS = ["Lodis", "IndexedDB", "idb-keyval", "dexie"];

/** Each is written in batches of 1,000, with relaxed durability. */
const works = (isShort) => {
  const count = isShort ? 2000 : 100_000;
  return [
    { kind: "once", title: `${count.toLocaleString("en-US")} keys, each set once`, keys: count, count },
    { kind: "often", title: `1,000 keys, each set ${count / 1000} times`, keys: 1000, count },
  ];
};

/** Bytes that the processes which keep stores have had written to the disk so far. */
async function bytesWritten(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const pids = processInfo.filter(({ type }) => type === "browser" || type.startsWith("storage")).map(({ id }) => id);
  let sum = 0;
  for (const pid of pids) {
    // Only Linux has it, and does not count what is kept in memory only.
    const io = await readFile(`/proc/${pid}/io`, "utf8").catch(() => "write_bytes: 0");
    sum += Number(/^write_bytes: (\d+)$/m.exec(io)[1]);
  }
  return sum || undefined;
}

export async function measureSizes(browser, { isShort }) {
  const session = await browser.newBrowserSession();
  const results = [];
  for (const { kind, title, keys, count } of works(isShort)) {
    for (const writer of WRITERS) {
      // An origin of its own: the browser counts bytes by origins.
      const page = await browser.newPage(writer, `${kind}-${writer.toLowerCase()}`);
      const before = await bytesWritten(session);
      const { live, given, handed } = await page.evaluate(([writer, keys, count]) => bench.fillStore(writer, keys, count), [writer, keys, count]);
      const after = await bytesWritten(session);
      const kept = await page.evaluate(() => bench.bytesKept());
      const result = { work: title, writer, live, given, handed, written: after && after - (before ?? 0), kept };
      if (writer === "Lodis") {
        await page.evaluate(() => bench.compact());
        result.keptAfter = await page.evaluate(() => bench.bytesKept());
      }
      results.push(result);
      await page.close();
    }
  }
  return results;
}
