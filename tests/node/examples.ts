// The examples in comments, as modules that run.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { programOf } from "./checking.js";

const SOURCES = fileURLToPath(new URL("../../pkg/src/", import.meta.url));

const FENCES = { ts: /^```ts\n([^]*?)^```$/gm, tsx: /^```tsx\n([^]*?)^```$/gm };

/** An example: a module, which is given what it does not open itself. */
export interface Example {
  /** Where it is. */
  readonly place: string;
  readonly text: string;
}

/**
 * The examples in the comments of the package's sources; those in `tsx` are parts of apps, of which only the types can be
 * checked.
 */
export async function examplesInComments(language: "ts" | "tsx" = "ts"): Promise<Example[]> {
  const examples: Example[] = [];
  for (const file of (await readdir(SOURCES, { recursive: true })).sort()) {
    if (!file.endsWith(".ts")) continue;
    const source = await readFile(join(SOURCES, file), "utf8");
    for (const comment of source.matchAll(/\/\*\*[^]*?\*\//g)) {
      const text = comment[0].replaceAll(/^ *\* ?/gm, "");
      const first = source.slice(0, comment.index).split("\n").length;
      for (const [index, [, code]] of [...text.matchAll(FENCES[language])].entries()) {
        examples.push({ place: `${file}:${first}${index > 0 ? ` (${index + 1})` : ""}`, text: code! });
      }
    }
  }
  return examples;
}

/** The whole module; what a comment at the end of a line says, is handed to `check` with what was answered. */
export function moduleOf({ text }: Example): string {
  const lines = text.trimEnd().split("\n").map(checked);
  const imports = lines.filter((line) => line.startsWith("import "));
  const rest = lines.filter((line) => !line.startsWith("import "));
  const opensIt = /\bredis = /.test(text);
  const opens = opensIt ? [] : ['const redis = await open("example");'];
  const closes = opensIt ? [] : ["await redis.close();"];
  if (!/import .*\bopen\b/.test(text)) imports.push('import { open } from "lodis";');
  const head = ["declare const check: (found: unknown, expected: unknown) => void;"];
  return [...imports, ...head, ...opens, "{", ...rest, "}", ...closes, "export {};"].join("\n");
}

function checked(line: string): string {
  const [, indent, statement, said] = /^( *)(.*); \/\/ (.*)$/.exec(line) ?? [];
  // A comment may also be one.
  if (said === undefined || !/^(["[{]|-?[\d.]+n?$|null$|true$|false$|new )/.test(said)) return line;
  const [, name] = /^const (\w+) = /.exec(statement!) ?? [];
  if (name !== undefined) return `${indent}${statement}; check(${name}, ${said});`;
  return /^(for|if|const|let|}|console)/.test(statement!) ? line : `${indent}check(${statement}, ${said});`;
}

/** How many replies a module looks at. */
export const checks = (module: string): number => [...module.matchAll(/\bcheck\(/g)].length;

/** What is wrong with the types of modules. */
export function typeErrors(modules: ReadonlyMap<string, string>): string[] {
  const program = programOf(modules, { jsx: ts.JsxEmit.ReactJSX, noUncheckedIndexedAccess: true });
  return [...modules.keys()].flatMap((name) => {
    const source = program.getSourceFile(name)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ start, messageText }) => {
        const { line } = source.getLineAndCharacterOfPosition(start ?? 0);
        return `${source.text.split("\n")[line]}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
      },
    );
  });
}

/** The module as JavaScript. */
export function scriptOf(module: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(module, { compilerOptions }).outputText;
}
