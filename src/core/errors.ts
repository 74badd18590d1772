import type { Denial } from "./denial";

/**
 * Errors are recognised by a brand and not by their class, so that two copies of hopguard in one process (a bundle and
 * node_modules, ESM beside CommonJS) still know each other's.
 */
const BRAND = Symbol.for("hopguard.error");

/** The base of every error that hopguard throws: one `catch` sees them all. */
export class HopguardError extends Error {
  static readonly code: string = "ERR_HOPGUARD";
  /** Written out in each class: a minified class has no name to tell. */
  override readonly name: string = "HopguardError";
  readonly code: string;
  /** @internal */
  readonly [BRAND]: readonly string[];

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = new.target.code;
    this[BRAND] = lineage(new.target);
  }

  /** Whether a caught value is an error of this class or of one below it, from whichever copy of hopguard. */
  static isInstance<T>(this: { readonly code: string; readonly prototype: T }, value: unknown): value is T {
    if (typeof value !== "object" || value === null) return false;
    const brand = (value as Record<symbol, unknown>)[BRAND];
    return Array.isArray(brand) && brand.includes(this.code);
  }
}

/** A wrong option, name or combination, found when it is given and not when it is first used. The message names the option. */
export class ConfigurationError extends HopguardError {
  static override readonly code = "ERR_HOPGUARD_CONFIGURATION";
  override readonly name: string = "ConfigurationError";
}

/** A hop was denied. `denial` is what the agent may read; everything else is in the audit record. */
export class AuthorizationDeniedError extends HopguardError {
  static override readonly code: string = "ERR_HOPGUARD_DENIED";
  override readonly name: string = "AuthorizationDeniedError";
  readonly denial: Denial;

  constructor(denial: Denial, options?: ErrorOptions) {
    super(denial.reason, options);
    this.denial = denial;
  }
}

/** A hop was denied for now: the denial's remediation is a step-up, which somebody may grant. */
export class ApprovalRequiredError extends AuthorizationDeniedError {
  static override readonly code = "ERR_HOPGUARD_APPROVAL_REQUIRED";
  override readonly name: string = "ApprovalRequiredError";
}

function lineage(errorClass: unknown): string[] {
  const codes: string[] = [];
  let current = errorClass;
  while (typeof current === "function" && "code" in current) {
    codes.push(String(current.code));
    current = Object.getPrototypeOf(current) as unknown;
  }
  return codes;
}

/** The error for a denial: one of its own where a step-up would help. */
export function denialError(denial: Denial): AuthorizationDeniedError {
  return denial.remediation?.type === "step_up"
    ? new ApprovalRequiredError(denial)
    : new AuthorizationDeniedError(denial);
}
