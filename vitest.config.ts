import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import tsconfig from "./tsconfig.json" with { type: "json" };

/** Tests import `hopguard/…` as a user does; the names lead to the sources, so that no build is needed first. */
const alias = Object.entries(tsconfig.compilerOptions.paths).flatMap(([name, paths]) =>
  paths.map((path) => ({
    find: new RegExp(`^${name}$`),
    replacement: fileURLToPath(new URL(path, import.meta.url)),
  })),
);

export default defineConfig({
  resolve: { alias },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/fixtures/**", "test/bench/**", "**/node_modules/**"],
    // Much of a test's time is spent waiting: for a deadline, or for a process to start.
    maxWorkers: 2,
    reporters: ["default", "./test/support/summary-reporter.ts"],
    // How soon is for benchmarks to say, and a contract's second is measured: here a test only ends that hangs, on a machine as slow as it may be.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
    // Processes, sockets and clocks are real here. What passes only when tried again is named at the end of the run: it is a defect, of the test or of the code.
    retry: 1,
    hookTimeout: 120_000,
  },
});
