// A terminal for an <iframe> of another site. Its parameters: `name`, `run`, `readonly`, `theme`.
import type { LodisTerminal } from "lodis/terminal/element";
import "lodis/terminal/element";
import { addressOf, placeOf } from "../router.js";
import { commandsOf, decode, encode, partedBySecrets } from "../share/link.js";
import "./embed.css";

/** Names of stores begin so: no page that shows this one reaches the data of the playground. */
const PREFIX = "embed:";

const parameters = new URLSearchParams(location.search);
const place = document.getElementById("place")!;
const link = document.getElementById("open") as HTMLAnchorElement;
const problem = document.getElementById("problem")!;

/** Tells the page around how high this one is. */
function announceHeight(): void {
  const tell = (): void => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    parent.postMessage({ type: "lodis:height", height }, "*");
  };
  new ResizeObserver(tell).observe(document.body);
}

function applyTheme(): void {
  const theme = parameters.get("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

/** The link to the playground carries what was entered here. */
async function pointTo(commands: readonly string[]): Promise<void> {
  const { shared } = partedBySecrets(commandsOf(commands.join("\n")));
  const code = await encode(shared).catch(() => undefined);
  if (code !== undefined) link.href = `./${addressOf("run", code)}`;
}

async function show(): Promise<void> {
  const { view, rest } = placeOf(location.hash);
  let commands: readonly string[] = [];
  problem.hidden = true;
  try {
    if (view === "run") commands = await decode(rest[0] ?? "");
  } catch (error) {
    problem.textContent = (error as Error).message;
    problem.hidden = false;
  }
  link.href = "./";
  if (commands.length > 0) await pointTo(commands);
  const terminal = document.createElement("lodis-terminal");
  const name = parameters.get("name");
  if (name) terminal.setAttribute("name", PREFIX + name);
  // Whoever visits keeps what is in a store with a name: it is not changed unasked.
  if (name || parameters.get("run") === "offer") terminal.setAttribute("run", "offer");
  if (parameters.has("readonly")) terminal.setAttribute("readonly", "");
  terminal.textContent = commands.join("\n");
  terminal.addEventListener("reply", () => void pointTo(combined(commands, terminal)));
  place.replaceChildren(terminal);
}

/** What is offered and was not run yet goes along. */
function combined(commands: readonly string[], { lines }: LodisTerminal): readonly string[] {
  const offered = commands.filter((command) => !lines.includes(command));
  return [...lines, ...offered];
}

applyTheme();
announceHeight();
addEventListener("hashchange", () => void show());
void show();
