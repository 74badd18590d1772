import { PdpError } from "../core/pdp-error";
import type { AuxData, PdpQuery } from "../core/ports";
import type { PdpPrincipal } from "../core/principal";

/** One resource with its actions, as it stands in a request of several. */
export interface ResourceCheck {
  readonly actions: readonly string[];
  readonly resource: PdpQuery["resource"] & { readonly policyVersion?: string; readonly scope?: string };
  /** The two above as JSON: written once, for the request and to know its size. */
  readonly json: string;
}

export function resourceCheck(
  actions: ResourceCheck["actions"],
  resource: ResourceCheck["resource"],
): ResourceCheck {
  return { actions, resource, json: JSON.stringify({ actions, resource }) };
}

export interface PrincipalInRequest extends PdpPrincipal {
  readonly policyVersion?: string;
  readonly scope?: string;
}

export interface CheckRequest {
  readonly requestId: string;
  readonly principal: PrincipalInRequest;
  readonly checks: readonly ResourceCheck[];
  readonly annotations: PdpQuery["annotations"];
  readonly auxData?: AuxData | undefined;
}

export interface PlanRequest {
  readonly requestId: string;
  readonly principal: PrincipalInRequest;
  readonly resource: {
    readonly kind: string;
    readonly attr: PdpQuery["resource"]["attr"];
    readonly policyVersion?: string;
    readonly scope?: string;
  };
  readonly action: string;
  readonly annotations: PdpQuery["annotations"];
  readonly auxData?: AuxData | undefined;
}

export interface ExchangeOptions {
  readonly signal: AbortSignal;
  /** Milliseconds left of the deadline. */
  readonly timeoutMs: number;
}

/** How questions reach a PDP. What comes back is untrusted: the shape of the API's JSON at best. */
export interface Backend {
  check(request: CheckRequest, options: ExchangeOptions): Promise<unknown>;
  plan(request: PlanRequest, options: ExchangeOptions): Promise<unknown>;
  close(): void;
}

/** The PDP refused a request as such; asked about one check at a time it may do better. */
export class RequestRefusedError extends PdpError {
  constructor(message: string) {
    super("pdp_invalid_response", message);
  }
}
