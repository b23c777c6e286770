// A plugin of typedoc: the methods of the commands are on the pages of their groups, and not on those of all
// classes that have them.
import { Converter } from "typedoc";

/** @param {import("typedoc").Application} app */
export function load(app) {
  const dropCopies = ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      if (/^\w*Commands\./.test(reflection.inheritedFrom?.name ?? "")) project.removeReflection(reflection);
    }
  };
  app.converter.on(Converter.EVENT_RESOLVE_END, dropCopies, 1000);
}
