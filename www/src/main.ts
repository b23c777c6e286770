import type { Redis } from "lodis";
import { examples } from "./examples.js";
import type { LessonsView } from "./lessons/view.js";
import { type Place, route } from "./router.js";
import { showPersistence, showRole } from "./status.js";
import { Store } from "./store.js";
import "./style.css";
import { Pane } from "./terminal/pane.js";
import { installTheme } from "./theme.js";

function get<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const side = get("side");
const terminals = get("terminals");
const pane = new Pane();
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

/** The lessons come when they are asked for: a terminal needs none of them. */
let lessons: Promise<LessonsView> | undefined;

async function show(store: Store, { view, rest }: Place): Promise<void> {
  const isLessons = view === "lessons";
  document.body.dataset.view = isLessons ? (rest.length > 0 ? "lesson" : "lessons") : "terminal";
  for (const link of document.querySelectorAll<HTMLAnchorElement>("[data-view]")) {
    if (link.tagName !== "A") continue;
    if (link.dataset.view === (isLessons ? view : "")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  exampleBar.hidden = isLessons;
  side.hidden = !isLessons;
  if (!isLessons) {
    (await lessons)?.hide();
    pane.focus();
    return;
  }
  lessons ??= import("./lessons/view.js").then(({ LessonsView }) => {
    const made = new LessonsView(store, pane, showSecond);
    side.append(made.element);
    return made;
  });
  await (await lessons).show(rest);
  scrollTo(0, 0);
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
    get("persistence").dataset.state = "failed";
    get("persistence").textContent = "Not opened";
    if (code === "STORE_TOO_NEW") {
      warn(`The stored data was written by a newer version of Lodis and has been left untouched. Load that version to go on. (${message})`);
    } else {
      warn(`Lodis could not be opened: ${message}`);
    }
  }
}

installTheme(get<HTMLButtonElement>("theme"));
// Typing anywhere goes to the line.
document.addEventListener("keydown", (event) => {
  const typing = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (typing && !(event.target instanceof HTMLInputElement) && document.body.dataset.view !== "lessons") pane.focus();
});
pane.focus();
void start();
