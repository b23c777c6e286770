import { defineConfig } from "vite";
import { ahead, compressed, offline } from "./hosting.js";

export default defineConfig({
  base: "./",
  plugins: [offline(), ahead(), compressed()],
  build: { target: "es2022", modulePreload: { polyfill: false } },
  // Lodis finds its wasm file beside itself; pre-bundling would move one without the other.
  optimizeDeps: { exclude: ["lodis"] },
  // The package is a link out of this folder here.
  server: { fs: { allow: [".", "../pkg"] } },
});
