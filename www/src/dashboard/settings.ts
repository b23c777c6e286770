import { element } from "../element.js";
import type { Client } from "./client.js";

interface Setting {
  readonly name: string;
  readonly title: string;
  readonly hint: string;
  /** What can be chosen; anything can be typed without them. */
  readonly choices?: readonly string[];
}

const SETTINGS: readonly Setting[] = [
  { name: "maxmemory", title: "Memory limit", hint: "As 100mb; 0 for none." },
  {
    name: "maxmemory-policy",
    title: "At the limit",
    hint: "Which keys go when there is no room for a write.",
    choices: ["noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"],
  },
  { name: "appendfsync", title: "Writes are stored", hint: "always: before they are answered; everysec: within a second.", choices: ["everysec", "always", "no"] },
  { name: "slowlog-log-slower-than", title: "Slow log", hint: "Microseconds from which on a command is slow; 0 takes all, -1 none." },
  { name: "latency-tracking", title: "Measure times", hint: "How long each command takes, by percentiles.", choices: ["no", "yes"] },
];

/** What CONFIG SET changes while the store runs. */
export class Settings {
  readonly element: HTMLElement;
  private readonly controls = new Map<string, HTMLInputElement | HTMLSelectElement>();
  /** What the store has, as far as it is known. */
  private readonly known = new Map<string, string>();

  constructor(private readonly client: Client) {
    this.element = element(
      "section",
      { class: "card", ariaLabel: "Settings" },
      element("h3", {}, "Settings"),
      ...SETTINGS.map((setting) => this.form(setting)),
    );
  }

  /** What a setting is, as far as it is known. */
  of(name: string): string {
    return this.known.get(name) ?? "";
  }

  private form({ name, title, hint, choices }: Setting): HTMLElement {
    const id = `setting-${name}`;
    const attributes = { "aria-describedby": `${id}-hint`, autocomplete: "off" };
    const control = choices
      ? element("select", { id, attributes }, ...choices.map((value) => element("option", { value }, value)))
      : element("input", { id, type: "text", spellcheck: false, autocapitalize: "off", attributes });
    this.controls.set(name, control);
    const news = element("p", { role: "status" });
    const problem = element("p", { class: "problem", role: "alert" });
    const set = element("button", { type: "submit", class: "plain", ariaLabel: `Set ${title}` }, "Set");
    const form = element(
      "form",
      { class: "setting" },
      element("label", { htmlFor: id }, `${title} `, element("code", {}, name)),
      control,
      set,
      element("p", { class: "hint", id: `${id}-hint` }, hint),
      news,
      problem,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      [news.textContent, problem.textContent] = ["", ""];
      this.client.run("CONFIG", "SET", name, control.value).then(
        async () => {
          const value = await this.client.run("CONFIG", "GET", name);
          this.take(value);
          news.textContent = `${name} is ${(value as Record<string, string>)[name]} now.`;
        },
        (error: Error) => {
          problem.textContent = error.message;
        },
      );
    });
    return form;
  }

  /** Shows what the store has, but not in place of what somebody is typing. */
  take(values: unknown): void {
    for (const [name, value] of Object.entries(values as Record<string, string>)) {
      const control = this.controls.get(name);
      const isTouched = control === document.activeElement || (this.known.has(name) && control?.value !== this.known.get(name));
      const isSet = this.known.get(name) !== value;
      this.known.set(name, value);
      if (control && (isSet || !isTouched) && control.value !== value && control !== document.activeElement) control.value = value;
    }
  }
}

/** Asks for all of them. */
export const SETTINGS_ASKED = ["CONFIG", "GET", ...SETTINGS.map(({ name }) => name)] as const;
