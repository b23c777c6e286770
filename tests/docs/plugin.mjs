// A plugin of typedoc: the methods of the commands are on the pages of their groups, and not on those of all
// classes that have them. What may follow in a command is on these pages too, as its syntax: in the types that the
// methods take, its words need no comments of their own.
import { Converter, ReflectionKind } from "typedoc";

const COMMANDS = "src/generated/commands.ts";

/** @param {import("typedoc").Application} app */
export function load(app) {
  const known = new Set();
  const resolved = ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      if (/^\w*Commands\./.test(reflection.inheritedFrom?.name ?? "")) project.removeReflection(reflection);
    }
    const exempt = app.options.getValue("intentionallyNotDocumented");
    for (const reflection of project.getReflectionsByKind(ReflectionKind.Property)) {
      if (!isWord(project, reflection) || reflection.hasComment()) continue;
      const name = reflection.getFriendlyFullName();
      if (!known.has(name)) exempt.push(name);
      known.add(name);
    }
  };
  app.converter.on(Converter.EVENT_RESOLVE_END, resolved, 1000);
}

/** Whether a property is a word of the grammar of a command. */
function isWord(project, reflection) {
  if (project.getSymbolIdFromReflection(reflection)?.packagePath !== COMMANDS) return false;
  // Those of arguments nobody asks for.
  for (let at = reflection; at; at = at.parent) if (at.kindOf(ReflectionKind.Parameter)) return false;
  const name = reflection.getFriendlyFullName();
  return name.includes(".__type.") || /^index\.Grammars\./.test(name);
}
