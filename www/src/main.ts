import type { Redis } from "lodis";
import { History, Pane } from "lodis/terminal/pane";
import "lodis/terminal/pane.css";
import { examples } from "./examples.js";
import { type Place, route } from "./router.js";
import { showPersistence, showRole } from "./status.js";
import { Store } from "./store.js";
import "./style.css";
import { installTheme } from "./theme.js";
import type { View } from "./view.js";

function get<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const side = get("side");
const terminals = get("terminals");
const pane = new Pane({ history: new History("playground:history") });
pane.terminal.linkTo = async (topic) => (await import("./topics.js")).linkTo(topic);
let shown = pane;
const exampleBar = examples((lines) => {
  pane.enter(lines);
  pane.focus();
});
terminals.append(exampleBar, pane.element);

function warn(text: string): void {
  const notice = get("notice");
  notice.textContent = text;
  notice.hidden = false;
}

function showState(redis: Redis): void {
  const show = (): void => {
    showPersistence(get("persistence"), redis.persistence);
    showRole(get("role"), redis.role);
  };
  for (const event of ["saved", "pending", "failed", "role"] as const) redis.on(event, show);
  show();
}

/** The views come when they are asked for: a terminal needs none of them. */
const VIEWS = new Map<string, (store: Store) => Promise<View>>([
  ["lessons", async (store) => new (await import("./lessons/view.js")).LessonsView(store, pane, showSecond)],
  ["dashboard", async (store) => new (await import("./dashboard/view.js")).DashboardView(store, pane.terminal)],
  ["run", async () => new (await import("./share/view.js")).SharedView(pane, showOnly)],
  ["keys", async (store) => (await import("./keys/view.js")).KeysView.open(store, pane.terminal)],
]);
const made = new Map<string, Promise<View>>();
const TITLE = document.title;
let current: Place = { view: "", rest: [] };
let isFirst = true;

async function show(store: Store, place: Place): Promise<void> {
  const make = VIEWS.get(place.view);
  const name = make ? place.view : "";
  const before = current.view;
  current = { view: name, rest: place.rest };
  // A lesson has the terminal beside it, and so has what a link carries; all else is alone.
  const isBeside = name === "run" || (name === "lessons" && place.rest.length > 0);
  document.body.dataset.view = isBeside ? "lesson" : name || "terminal";
  for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  entitle();
  exampleBar.hidden = name !== "";
  side.hidden = name === "";
  if (before !== name) (await made.get(before))?.hide();
  if (!make) {
    isFirst = false;
    return pane.focus();
  }
  const coming = made.get(name) ?? make(store);
  made.set(name, coming);
  // What could not be loaded may be loaded next time.
  coming.catch(() => made.delete(name));
  const view = await coming;
  if (current.view !== name) return;
  if (view.element.parentElement !== side) side.replaceChildren(view.element);
  await view.show(current.rest);
  // A view may say more of what it shows, but not once another one is gone to.
  if (current.view !== name) return entitle();
  scrollTo(0, 0);
  // What had the focus may be gone: who goes on with Tab goes on here.
  if (!isFirst && document.activeElement === document.body) side.focus({ preventScroll: true });
  isFirst = false;
}

/** Says what is shown. */
function entitle(): void {
  const link = document.querySelector("a[data-view][aria-current]");
  document.title = link && current.view !== "" ? `${link.textContent} · Lodis` : TITLE;
}

/** Another terminal in the place of the first one. */
function showOnly(only: Pane): void {
  shown = only;
  terminals.replaceChildren(exampleBar, only.element);
}

function showSecond(second: Pane | undefined): void {
  terminals.replaceChildren(exampleBar, pane.element, ...(second ? [second.element] : []));
}

async function start(): Promise<void> {
  try {
    const store = await Store.open();
    store.use(showState);
    if (!store.isKept) {
      warn("This browser gives the page no storage (IndexedDB), perhaps because of a private window. Everything works, but the data is in memory only and is gone after a reload.");
    }
    store.use((redis) => pane.terminal.use(redis, () => store.withScripts()));
    pane.terminal.welcome();
    route((place) => void show(store, place).catch((error: Error) => warn(error.message)));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    pane.terminal.giveUp();
    get("persistence").dataset.state = "failed";
    get("persistence").textContent = "Not opened";
    if (code === "STORE_TOO_NEW") {
      warn(`The stored data was written by a newer version of Lodis and has been left untouched. Load that version to go on. (${message})`);
    } else {
      warn(`Lodis could not be opened: ${message}`);
    }
  }
}

get("share").addEventListener("click", () => {
  import("./share/dialog.js").then(({ share }) => share(shown.terminal.lines)).catch((error: Error) => warn(error.message));
});
get("skip").addEventListener("click", (event) => {
  event.preventDefault();
  if (current.view === "") pane.focus();
  else side.focus();
});
installTheme(get<HTMLButtonElement>("theme"));
// Typing anywhere goes to the line.
document.addEventListener("keydown", (event) => {
  const typing = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isAway = terminals.getClientRects().length === 0;
  const isEditing = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
  if (typing && !isEditing && !isAway) shown.focus();
});
pane.focus();
void start()
  .then(async () => {
    if (import.meta.env.PROD) await navigator.serviceWorker.register("./sw.js");
  })
  // Where it may not, the page works as long as there is a network.
  .catch(() => {});
