import { defineConfig } from "vitest/config";

/** Tests of a browser, in the folder `root`: one file after the other, since they take the whole machine. */
export const ofBrowser = (root: string) =>
  defineConfig({
    test: {
      root, include: ["*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false,
      // On a machine that is busy, a page may take its time.
      expect: { poll: { timeout: 15_000 } },
    },
  });
