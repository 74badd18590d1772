import { HopguardError } from "../../core/errors";

/** A local PDP did not start. The message says why, with the compiler's words when it is the policies. */
export class PdpStartError extends HopguardError {
  static override readonly code: string = "ERR_HOPGUARD_PDP_START";
  override readonly name: string = "PdpStartError";
  /** The last lines that the PDP wrote, as they were. */
  readonly log: string;

  constructor(message: string, options: ErrorOptions & { readonly log?: string } = {}) {
    super(message, options);
    this.log = options.log ?? "";
  }
}

/** @internal The port has another owner: with a port of our choice, a reason to choose again. */
export class PortTakenError extends PdpStartError {
  static override readonly code = "ERR_HOPGUARD_PDP_PORT_TAKEN";
  override readonly name = "PortTakenError";
}
