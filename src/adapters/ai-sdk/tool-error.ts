import type { Denial } from "../../core/denial";
import { denialError, type AuthorizationDeniedError } from "../../core/errors";
import { denialForModel } from "../shared/agent-tools/denial-text";

/** The error that a denied tool throws. The AI SDK shows its message to the model as the result of the call. */
export function toolError(denial: Denial): AuthorizationDeniedError {
  return Object.assign(denialError(denial), { message: denialForModel(denial) });
}
