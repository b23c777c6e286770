import { defineConfig, type UserConfig } from "vite";
import { ahead, compressed, offline } from "./hosting.js";

/** What the first page needs is one file: what other chunks share with it is not one of its own. */
const first: UserConfig["build"] = {
  rolldownOptions: { output: { codeSplitting: { groups: [{ name: "index", tags: ["$initial"] }] } } },
};

/** What other sites show is built by itself, into the same folder: the playground does not wait for more files. */
const embed: UserConfig["build"] = {
  emptyOutDir: false,
  rolldownOptions: {
    input: { embed: "embed.html", "lodis-terminal": "src/embed/element.ts" },
    // Other sites name this one.
    output: { entryFileNames: ({ name }) => (name === "lodis-terminal" ? "[name].js" : "assets/[name]-[hash].js") },
  },
};

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [...(mode === "embed" ? [] : [offline()]), ahead(), compressed()],
  build: { target: "es2022", modulePreload: { polyfill: false }, ...(mode === "embed" ? embed : first) },
  // Lodis finds its wasm file beside itself; pre-bundling would move one without the other.
  optimizeDeps: { exclude: ["lodis"] },
  // The package is a link out of this folder here.
  server: { fs: { allow: [".", "../pkg"] } },
}));
