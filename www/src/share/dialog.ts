import { element } from "../element.js";
import { addressOf } from "../router.js";
import { copy } from "./copy.js";
import { commandsOf, encode, LinkError, partedBySecrets } from "./link.js";
import "./share.css";

/** Some apps cut links that are longer. */
const LONG = 2_000;

/** The link is made anew once nothing was typed for so long. */
const PAUSE_MS = 80;

/** Offers a link that carries the commands of a session; they can be chosen and changed. */
export function share(lines: readonly string[]): void {
  new ShareDialog(lines).open();
}

class ShareDialog {
  private readonly commands = element("textarea", { id: "share-commands", rows: 8, spellcheck: false, attributes: { "aria-describedby": "share-left-out" } });
  private readonly leftOut = element("p", { id: "share-left-out", class: "left-out", role: "status" });
  private readonly link = element("input", { id: "share-link", type: "text", readOnly: true, attributes: { "aria-describedby": "share-state" } });
  private readonly state = element("p", { id: "share-state", class: "link-state", role: "status" });
  private readonly copyButton = element("button", { type: "submit", class: "plain primary" }, "Copy the link");
  private readonly sendButton = element("button", { type: "button", class: "plain", on: { click: () => void this.send() } }, "Send…");
  private readonly dialog: HTMLDialogElement;
  /** Counts changes: only the link of the last one is shown. */
  private changes = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(lines: readonly string[]) {
    this.commands.value = lines.join("\n");
    this.commands.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.update(), PAUSE_MS);
    });
    this.sendButton.hidden = typeof navigator.share !== "function";
    const form = element(
      "form",
      { method: "dialog", on: { submit: (event: Event) => this.submit(event) } },
      element("h2", { id: "share-title" }, "Share this session"),
      element("p", {}, "The link carries the commands themselves, and no data: nothing is sent anywhere until you pass it on. Whoever has it can read them, and is asked before anything runs."),
      element("label", { htmlFor: "share-commands" }, "Commands, one a line"),
      this.commands,
      this.leftOut,
      element("label", { htmlFor: "share-link" }, "Link"),
      this.link,
      this.state,
      element("p", { class: "buttons" }, this.copyButton, this.sendButton, element("button", { type: "button", class: "plain", on: { click: () => this.dialog.close() } }, "Close")),
    );
    this.dialog = element("dialog", { class: "share", attributes: { "aria-labelledby": "share-title" } }, form);
    // Another view may be gone to by the buttons of the browser.
    const leave = (): void => this.dialog.close();
    addEventListener("hashchange", leave);
    this.dialog.addEventListener("close", () => {
      removeEventListener("hashchange", leave);
      this.dialog.remove();
    });
  }

  open(): void {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.commands.focus();
    this.commands.setSelectionRange(0, 0);
    void this.update();
  }

  private async update(): Promise<void> {
    const change = ++this.changes;
    const { shared, secret } = partedBySecrets(commandsOf(this.commands.value));
    const names = secret.map((command) => command.split(/\s/, 1)[0]!.toUpperCase()).join(", ");
    const count = secret.length === 1 ? "One command is" : `${secret.length} commands are`;
    this.leftOut.textContent = secret.length === 0 ? "" : `${count} left out, for the sake of a password: ${names}.`;
    let link = "";
    let state = "";
    try {
      link = new URL(addressOf("run", await encode(shared)), location.href).href;
      const isLong = link.length > LONG ? " Some apps cut links of more than 2,000." : "";
      state = `${shared.length === 1 ? "One command" : `${shared.length} commands`}, ${link.length.toLocaleString("en")} characters.${isLong}`;
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      state = error.message;
    }
    if (change !== this.changes) return;
    this.link.value = link;
    this.state.textContent = state;
    this.state.dataset.state = link === "" ? "failed" : "made";
    this.copyButton.disabled = this.sendButton.disabled = link === "";
  }

  private submit(event: Event): void {
    event.preventDefault();
    void copy(this.link).then((isCopied) => {
      this.state.textContent = isCopied ? "Copied." : "The browser does not let this page copy. The link is selected: copy it by hand.";
    });
  }

  private async send(): Promise<void> {
    try {
      await navigator.share({ title: "Redis commands", url: this.link.value });
    } catch (error) {
      // Whoever changed their mind knows that.
      if ((error as Error).name !== "AbortError") this.state.textContent = "It could not be sent. Copy the link instead.";
    }
  }
}
