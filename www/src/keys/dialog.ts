import { element } from "../element.js";

/** A field of a form. */
export interface Field {
  readonly name: string;
  readonly label: string;
  readonly value?: string;
  readonly hint?: string;
  /** Choices; the first is chosen unless `value` says another. */
  readonly options?: readonly (readonly [value: string, text: string])[];
  readonly isLong?: boolean;
  readonly isRequired?: boolean;
}

export interface Form {
  readonly title: string;
  readonly text?: string;
  readonly fields?: readonly Field[];
  /** What the button says that does it. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** Does it. What it throws is shown, and the dialog stays open. */
  readonly submit: (values: Readonly<Record<string, string>>) => Promise<void> | void;
}

let ids = 0;

/** Asks in a dialog; resolves once it is closed. */
export function ask({ title, text, fields = [], action, isDangerous = false, submit }: Form): Promise<void> {
  const id = `form-${++ids}`;
  const problem = element("p", { class: "problem", role: "alert" });
  const made = fields.map((field) => ({ field, control: control(field, `${id}-${field.name}`) }));
  const send = element("button", { type: "submit" as const, class: isDangerous ? "plain danger" : "plain primary" }, action);
  const cancel = element("button", { type: "button" as const, class: "plain", on: { click: () => dialog.close() } }, "Cancel");
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", { id }, title),
    text === undefined ? undefined : element("p", {}, text),
    ...made.flatMap(({ field, control }) => [
      element("label", { htmlFor: control.id }, field.label),
      control,
      field.hint === undefined ? undefined : element("p", { class: "hint", id: `${control.id}-hint` }, field.hint),
    ]),
    problem,
    element("p", { class: "buttons" }, send, cancel),
  );
  const dialog = element("dialog", { class: "ask", attributes: { "aria-labelledby": id } }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.textContent = "";
    send.disabled = true;
    const values = Object.fromEntries(made.map(({ field, control }) => [field.name, control.value]));
    Promise.resolve()
      .then(() => submit(values))
      .then(() => dialog.close(), (error: Error) => (problem.textContent = error.message))
      .finally(() => (send.disabled = false));
  });
  returnFocus(dialog);
  document.body.append(dialog);
  dialog.showModal();
  if (made.length === 0) (isDangerous ? cancel : send).focus();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    }),
  );
}

function control({ value = "", hint, options, isLong = false, isRequired = false }: Field, id: string): HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement {
  const attributes: Record<string, string> = hint === undefined ? {} : { "aria-describedby": `${id}-hint` };
  if (options) {
    const made = element("select", { id, attributes }, ...options.map(([value, text]) => element("option", { value }, text)));
    if (value !== "") made.value = value;
    return made;
  }
  if (isLong) return element("textarea", { id, value, rows: 5, spellcheck: false, required: isRequired, attributes });
  return element("input", { id, value, type: "text", spellcheck: false, autocapitalize: "off", required: isRequired, attributes: { ...attributes, autocomplete: "off" } });
}

/** Shows something, until it is closed. */
export function tell(title: string, ...content: Node[]): void {
  const id = `told-${++ids}`;
  const close = element("button", { type: "button" as const, class: "plain primary", on: { click: () => dialog.close() } }, "Close");
  const dialog = element("dialog", { class: "ask wide", attributes: { "aria-labelledby": id } }, element("form", {}, element("h2", { id }, title), ...content, element("p", { class: "buttons" }, close)));
  returnFocus(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}

/** Once it is closed, the keyboard is where it was, or at what has taken that place meanwhile. */
function returnFocus(dialog: HTMLDialogElement): void {
  const from = document.activeElement;
  const name = from?.getAttribute("data-focus") ?? "";
  dialog.addEventListener("close", () => {
    if (!from || (from.isConnected && from.getClientRects().length > 0)) return;
    const next = document.querySelector<HTMLElement>(`[data-focus="${CSS.escape(name)}"]`) ?? document.querySelector<HTMLElement>(".keys .detail");
    next?.focus();
  });
}
