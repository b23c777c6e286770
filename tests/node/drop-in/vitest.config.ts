// The aliases of the README.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  resolve: {
    alias: [
      { find: /^ioredis$/, replacement: "lodis/ioredis" },
      { find: /^redis$/, replacement: "lodis/redis" },
    ],
  },
  test: { include: ["aliased.ts"] },
});
