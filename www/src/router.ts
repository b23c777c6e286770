/** A place in the playground, as the fragment of its address has it: `#/lessons/strings/2`. */
export interface Place {
  readonly view: string;
  readonly rest: readonly string[];
}

/** The address of a place. */
export function addressOf(...words: readonly (string | number)[]): string {
  return `#/${words.map((word) => encodeURIComponent(word)).join("/")}`;
}

/** The place that an address names; no place at all is the view `""`. */
export function placeOf(hash: string): Place {
  const [view = "", ...rest] = hash.replace(/^#?\/?/, "").split("/").map(decoded);
  return { view, rest: rest.filter((word) => word !== "") };
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

/** Calls `show` with the place now, and whenever another is gone to. */
export function route(show: (place: Place) => void): void {
  const go = (): void => show(placeOf(location.hash));
  addEventListener("hashchange", go);
  go();
}
