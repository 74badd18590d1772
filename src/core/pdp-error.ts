import { HopguardError } from "./errors";

/** The policy decision point gave no answer, or one that proves nothing. The message is for the audit record, not for agents. */
export class PdpError extends HopguardError {
  static override readonly code = "ERR_HOPGUARD_PDP";
  override readonly name = "PdpError";

  constructor(
    readonly reason: "pdp_unavailable" | "pdp_invalid_response",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
