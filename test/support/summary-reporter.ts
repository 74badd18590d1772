import type { Reporter, TestModule } from "vitest/node";

/** Prints what failed, what passed only when tried again, and the plain closing line `N passed, N failed` that scripts can read, from what really ran. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const module of modules) {
      // A file that fails to load has no tests, and is still a failure.
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
        else skipped++;
        const verdict =
          state === "failed" ? "failed" : test.diagnostic()?.flaky ? "passed when tried again" : undefined;
        if (verdict === undefined) continue;
        console.log(`${verdict}: ${module.relativeModuleId} > ${test.fullName}`);
        for (const { message, stacks } of errors ?? []) {
          const at = stacks?.[0];
          console.log(`    ${message.split("\n", 1)[0]}${at ? ` (${at.file}:${at.line})` : ""}`);
        }
      }
    }
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  }
}
