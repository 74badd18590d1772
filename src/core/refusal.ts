import type { DenialCode, Remediation } from "./denial";

export interface RefusalDetails {
  /** What the agent may read; the code's fixed sentence if absent. */
  readonly reason?: string;
  readonly remediation?: Remediation;
  readonly refusedBy?: string;
  /** What only the audit record may hold: host names, stack traces, policy names. */
  readonly detail?: string;
}

/** How a stage of the pipeline says no. It never leaves the core: the pipeline's one `catch` turns it into a denial. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly code: DenialCode,
    readonly details: RefusalDetails = {},
    options?: ErrorOptions,
  ) {
    super(details.detail ?? details.reason ?? code, options);
  }
}
