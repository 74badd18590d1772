import type { DenialCode, DenialDetails } from "./denial";

export interface RefusalDetails extends DenialDetails {
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
