import { ConfigurationError } from "../../core/errors";

/**
 * The oldest `claude` that denies a call when its hook fails (`onFailure: "block"`), which the SDK 0.3.317 brings. Those before it run the tool: when a hook throws,
 * when this process dies in the middle of a turn, and, as 0.3.200 does, for agents in the background, whose hooks are no longer reached. The SDK's last number is
 * that of its `claude`.
 */
const OLDEST = [2, 1, 317] as const;

/** Whether this is a `claude` that the guard is tested with: 2.1.317 and later, below 3. */
export function isTestedVersion(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor, oldestPatch] = OLDEST;
  if (major !== oldestMajor) return false;
  return minor === oldestMinor ? patch >= oldestPatch : minor > oldestMinor;
}

/** What a process says of itself in `User-Agent`. */
export function versionOf(userAgent: string | null): string | undefined {
  return /^claude-cli\/(\d+\.\d+\.\d+)/.exec(userAgent ?? "")?.[1];
}

export const UNTESTED = `hopguard is tested with the Claude Agent SDK from 0.3.317 (claude 2.1.317) on, below claude 3`;

/**
 * Checks the version of the SDK, as its `package.json` has it in `claudeCodeVersion`. Where it is not to be found, the first model call tells.
 *
 * @throws {ConfigurationError} for one that is not in the tested range.
 */
export function assertTestedVersion(version: string | undefined): void {
  if (version === undefined || isTestedVersion(version)) return;
  throw new ConfigurationError(`guardQueryOptions: this is claude ${version}; ${UNTESTED}`);
}
