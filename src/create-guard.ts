import { stderrLines } from "./audit/stderr-lines";
import { assembleGuard, type Guard } from "./core/guard";
import type { GuardOptions } from "./core/guard-options";
import { memoryState } from "./state/memory";

/**
 * Makes a guard: the policy enforcement point of a process.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function createGuard(options: GuardOptions): Guard {
  const { audit = stderrLines(), state = memoryState() } = (options as GuardOptions | undefined) ?? {};
  return assembleGuard({ ...options, audit, state });
}
