import { open, type OpenOptions, type Redis } from "lodis";
import { Editor } from "./editor.js";
import { History } from "./history.js";
import { Output } from "./output.js";
import { showPersistence, showRole } from "./status.js";
import "./style.css";
import { Terminal } from "./terminal.js";
import { installTheme } from "./theme.js";

const NAME = "playground";

function get<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const screen = get("screen");
const persistence = get("persistence");
const role = get("role");
const output = new Output(get("log"), screen);
const editor: Editor = new Editor(
  get<HTMLInputElement>("input"),
  get("ghost"),
  new History(),
  (line) => terminal.enter(line),
  { clear: () => terminal.clear(), cancel: (line) => terminal.cancel(line) },
);
const terminal = new Terminal(output, editor, get("prompt"));

function warn(text: string): void {
  const notice = get("notice");
  notice.textContent = text;
  notice.hidden = false;
}

function showState(redis: Redis): void {
  const show = (): void => {
    showPersistence(persistence, redis.persistence);
    showRole(role, redis.role);
  };
  for (const event of ["saved", "pending", "failed", "role"] as const) redis.on(event, show);
  show();
}

function connect(redis: Redis): void {
  showState(redis);
  if (redis.persistence.state === "memory") {
    warn("This browser gives the page no storage (IndexedDB), perhaps because of a private window. Everything works, but the data is in memory only and is gone after a reload.");
  }
  terminal.connect(redis, () => withScripts(redis));
  terminal.welcome();
}

/** The module with scripting is large: it is loaded once somebody asks for a script. */
async function withScripts(redis: Redis): Promise<Redis> {
  const isKept = redis.persistence.state !== "memory";
  const file = isKept ? undefined : await redis.exportRdb();
  await redis.close();
  const options: OpenOptions = isKept ? {} : { store: "memory" };
  const next = await open(NAME, { ...options, scripting: true }).catch(() => open(NAME, options));
  if (file) await next.importRdb(file);
  showState(next);
  return next;
}

async function start(): Promise<void> {
  try {
    connect(await open(NAME));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === "STORE_UNAVAILABLE") return connect(await open(NAME, { store: "memory" }));
    persistence.dataset.state = "failed";
    persistence.textContent = "Not opened";
    if (code === "STORE_TOO_NEW") {
      warn(`The stored data was written by a newer version of Lodis and has been left untouched. Load that version to go on. (${message})`);
    } else {
      warn(`Lodis could not be opened: ${message}`);
    }
  }
}

installTheme(get<HTMLButtonElement>("theme"));
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-command]")) {
  button.addEventListener("click", () => {
    for (const line of button.dataset.command!.split("\n")) terminal.enter(line);
    editor.focus();
  });
}
// A click anywhere in the terminal that selects nothing goes to the line, as does typing anywhere.
screen.addEventListener("click", (event) => {
  const onButton = (event.target as Element).closest("button");
  if (!onButton && String(getSelection()) === "") editor.focus();
});
document.addEventListener("keydown", (event) => {
  const typing = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (typing && event.target !== get("input")) editor.focus();
});
editor.focus();
start().catch((error: Error) => warn(`Lodis could not be opened: ${error.message}`));
