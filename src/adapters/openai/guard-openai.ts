import type { Session } from "../../core/session";
import { parseModelGuardOptions, type ModelGuardOptions } from "../shared/model-api/options";
import { sealClient, type SdkClient } from "../shared/seal-client";

/** Options of {@link guardOpenAI}. */
export type GuardOpenAIOptions = ModelGuardOptions;

/**
 * A guarded copy of a client of `openai` 6 or 7 (Azure's and Bedrock's too), of the same class and type. Every HTTP call of every method is decided
 * before it leaves; a denied one throws the SDK's own `PermissionDeniedError`, in which `findDenial` finds the denial.
 *
 * The client that is passed in stays as it was, and unguarded: hand the copy to the agent.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardOpenAI<C extends SdkClient>(
  client: C,
  session: Session,
  options: GuardOpenAIOptions = {},
): C {
  return sealClient("guardOpenAI", client, session, parseModelGuardOptions("guardOpenAI", "openai", options));
}
