import type { Persistence, Role } from "lodis";

const STATES = {
  saved: "Saved",
  pending: "Saving…",
  failed: "NOT SAVED",
  memory: "In memory only",
  elsewhere: "Saved by the leading tab",
} as const;

const ROLES = {
  leader: ["Leader", "This tab runs every write, and the other tabs follow it."],
  replica: ["Replica", "Another tab leads; this one reads its own copy."],
  thin: ["No copy", "Another tab leads; commands are forwarded to it."],
  alone: ["This tab alone", "The data is not shared with other tabs."],
} as const;

/** Shows whether what was written is stored. */
export function showPersistence(element: HTMLElement, persistence: Persistence): void {
  const { state } = persistence;
  const reason = persistence.state === "failed" ? `: ${persistence.reason}` : "";
  element.dataset.state = state;
  // Every write is saved: only that one is not is worth a word in between.
  element.ariaLive = state === "failed" ? "assertive" : null;
  element.textContent = STATES[state] + reason;
}

/** Shows who holds the data. */
export function showRole(element: HTMLElement, role: Role): void {
  const [name, explanation] = ROLES[role];
  element.dataset.role = role;
  element.textContent = name;
  element.title = explanation;
}
