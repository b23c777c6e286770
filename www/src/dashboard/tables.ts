import { element } from "../element.js";
import { quoted } from "lodis/terminal";
import type { Info } from "./info.js";

type Cell = string | HTMLElement;

function table(caption: string, head: readonly string[], rows: readonly (readonly Cell[])[], none: string): HTMLElement {
  if (rows.length === 0) return element("p", { class: "none" }, none);
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))))),
  );
}

/** Everybody who is connected: the tab that leads has no address, the others have a number. */
export function clientsTable(clients: readonly Info[], self: string | undefined): HTMLElement {
  const rows = clients.map((client) => {
    const address = client.get("addr") ?? "";
    const who = address === "" ? "the tab that leads" : address.replace(/^tab:0*/, "tab ");
    const name = client.get("name") || who;
    return [
      client.get("id") ?? "",
      client.get("id") === self ? `${name} (this dashboard)` : name,
      `${client.get("age")} s`,
      client.get("cmd") ?? "",
      subscriptions(client),
      client.get("db") ?? "",
    ];
  });
  return table("Clients", ["Id", "Who", "For", "Last command", "Listens to", "Database"], rows, "Nobody is connected.");
}

function subscriptions(client: Info): string {
  const count = (["sub", "psub", "ssub"] as const).reduce((sum, name) => sum + Number(client.get(name) ?? 0), 0);
  return count === 0 ? "" : String(count);
}

/** What SLOWLOG GET answers. */
export type SlowEntry = readonly [id: number, seconds: number, micros: number, words: readonly string[], ...rest: unknown[]];

export function slowTable(entries: readonly SlowEntry[]): HTMLElement {
  const encoder = new TextEncoder();
  const rows = entries.map(([, seconds, micros, words]) => [
    new Date(seconds * 1000).toLocaleTimeString(),
    `${(micros / 1000).toFixed(1)} ms`,
    element("code", {}, words.map((word) => (/^[!-~]+$/.test(word) ? word : quoted(encoder.encode(word)))).join(" ")),
  ]);
  return table("Slow commands", ["At", "Took", "Command"], rows, "No command took longer than slowlog-log-slower-than says (10 ms, unless it was changed).");
}
