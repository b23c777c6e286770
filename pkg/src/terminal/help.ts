import type { Hint } from "../boundary/wasm.js";
import { type Line, line } from "./format.js";
import type { Table } from "./table.js";

/** What HELP shows of the words after it, as redis-cli does: a command, those of a group (`@string`), or how it is used. */
export function helpOf(table: Table, words: readonly string[]): Line[] {
  const [first] = words;
  if (first === undefined) return usage(table);
  const isGroup = first.startsWith("@");
  const found = isGroup ? table.all().filter(({ group }) => group === first.slice(1).toLowerCase()) : table.under(words);
  if (found.length > 0) return found.flatMap((hint) => [...entry(hint, !isGroup), []]);
  if (isGroup) return [line("error", `There is no group "${first}".`), groups(table)];
  return [line("error", `No help for "${words.join(" ")}".`)];
}

function usage(table: Table): Line[] {
  return [
    line("text", "To get help about Redis commands type:"),
    line("text", '      "help @<group>" to get a list of commands in <group>'),
    line("text", '      "help <command>" for help on <command>'),
    groups(table),
  ];
}

function groups(table: Table): Line {
  return line("note", `Groups: ${table.groups().map((group) => `@${group}`).join(" ")}`);
}

function entry({ complexity, group, name, since, summary, syntax }: Hint, isWhole: boolean): Line[] {
  const row = (title: string, text: string): Line => [
    { kind: "index", text: `  ${title}: ` },
    { kind: "text", text },
  ];
  const head: Line = [
    { kind: "command", text: `  ${name.toUpperCase()}` },
    { kind: "index", text: syntax === "" ? "" : ` ${syntax}` },
  ];
  const rest = isWhole ? [row("group", group), row("complexity", complexity)] : [];
  return [head, row("summary", summary), row("since", since), ...rest];
}
