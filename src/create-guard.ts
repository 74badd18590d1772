import { stderrLines } from "./audit/stderr-lines";
import { assembleGuard, type Guard, type GuardOptions } from "./core/guard";
import { memoryState } from "./state/memory";

/**
 * Makes a guard: the policy enforcement point of a process.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function createGuard(options: GuardOptions): Guard {
  return assembleGuard({
    ...options,
    audit: options.audit ?? stderrLines(),
    state: options.state ?? memoryState(),
  });
}
