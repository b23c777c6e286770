// The blocks of code in the READMEs, to be run as they are.
import { readFile, rm, writeFile } from "node:fs/promises";
import { scriptOf } from "./examples.js";

const READMES = { repository: "../../README.md", package: "../../pkg/README.md" };

/** All blocks, by what they are under, as in "package: Live data, js". */
export async function blocks(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [whose, path] of Object.entries(READMES)) {
    const readme = await readFile(new URL(path, import.meta.url), "utf8");
    let heading = "";
    for (const [, title, language, code] of readme.matchAll(/^#+ (.*)$|^```(\w*)\n([^]*?)^```$/gm)) {
      heading = title ?? heading;
      if (code === undefined) continue;
      const name = `${whose}: ${heading}, ${language}`;
      found.set(found.has(name) ? `${name}, the second` : name, code);
    }
  }
  return found;
}

export async function block(name: string): Promise<string> {
  const text = (await blocks()).get(name);
  if (text === undefined) throw new Error(`no README has ${name}`);
  return text;
}

let count = 0;

/** Runs code as a module, TypeScript or not; answers what it exports. */
export async function runs<T>(code: string): Promise<T> {
  const file = new URL(`./readme-${++count}.tmp.mjs`, import.meta.url);
  await writeFile(file, scriptOf(code));
  try {
    return (await import(/* @vite-ignore */ file.href)) as T;
  } finally {
    await rm(file);
  }
}
