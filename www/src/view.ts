/** What the page shows in place of the terminal, or beside it. */
export interface View {
  readonly element: HTMLElement;
  /** Shows what the rest of the address names. */
  show(rest: readonly string[]): void | Promise<void>;
  /** Another view is gone to. */
  hide(): void;
}
