import type { Session } from "../../core/session";
import { parseModelGuardOptions, type ModelGuardOptions } from "../shared/model-api/options";
import { sealClient, type SdkClient } from "../shared/seal-client";

/** Options of {@link guardAnthropic}. */
export type GuardAnthropicOptions = ModelGuardOptions;

/**
 * A guarded copy of a client of `@anthropic-ai/sdk` 0.137 to 1.x, of the same class and type. Every HTTP call of every method is decided before
 * it leaves, after all middleware; a denied one throws the SDK's own `PermissionDeniedError`, in which `findDenial` finds the denial.
 *
 * The client that is passed in stays as it was, and unguarded: hand the copy to the agent.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardAnthropic<C extends SdkClient>(
  client: C,
  session: Session,
  options: GuardAnthropicOptions = {},
): C {
  return sealClient(
    "guardAnthropic",
    client,
    session,
    parseModelGuardOptions("guardAnthropic", "anthropic", options),
  );
}
