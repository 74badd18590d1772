// The SDK runs a process: where there is no Node, there is no SDK.
// eslint-disable-next-line no-restricted-imports -- as above
import { createRequire } from "node:module";

/** The version of `claude` that the SDK brings which this package finds; `undefined` where it finds none, or one that does not say. */
export function installedVersion(from: string | URL = import.meta.url): string | undefined {
  try {
    const require = createRequire(from);
    // Its `exports` do not hold `package.json`, which stands beside its entry.
    const entry = require.resolve("@anthropic-ai/claude-agent-sdk");
    const { claudeCodeVersion } = require(entry.replace(/[^/\\]+$/, "package.json")) as {
      readonly claudeCodeVersion?: unknown;
    };
    return typeof claudeCodeVersion === "string" ? claudeCodeVersion : undefined;
  } catch {
    return undefined;
  }
}
