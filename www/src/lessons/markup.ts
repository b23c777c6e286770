import { element } from "../element.js";

/** The paragraphs of a text: empty lines part them, `code` and **emphasis** stand out. */
export function paragraphsOf(text: string): HTMLElement[] {
  return text.trim().split(/\n\s*\n/).map((paragraph) => element("p", {}, ...piecesOf(paragraph)));
}

function piecesOf(paragraph: string): (Node | string)[] {
  const words = paragraph.replace(/\s+/g, " ");
  return words.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.startsWith("`")) return element("code", {}, piece.slice(1, -1));
    if (piece.startsWith("**")) return element("strong", {}, piece.slice(2, -2));
    return piece;
  });
}
