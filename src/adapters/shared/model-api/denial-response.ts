import type { Denial } from "../../../core/denial";
import type { ModelApi } from "./routes";

/**
 * A denial as the provider's own refusal would look: 403, which SDKs raise as `PermissionDeniedError`, and `x-should-retry: false`, so that it stays
 * one call.
 *
 * @param status what a server answers with, where the cause is not the policy.
 */
export function denialResponse(
  api: ModelApi,
  denial: Denial,
  status: DenialStatus = 403,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(denialBody(api, denial, status)), {
    status,
    headers: {
      "content-type": "application/json",
      "x-should-retry": "false",
      [DECISION_HEADER]: denial.decision_id,
      ...headers,
    },
  });
}

/** The id of the decision that a denial tells of. */
export const DECISION_HEADER = "x-hopguard-decision";

export type DenialStatus = 400 | 401 | 403 | 413 | 415;

/** In each provider's own words. */
const ERROR_TYPES: Readonly<Record<ModelApi, Readonly<Record<DenialStatus, string>>>> = {
  openai: {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_denied",
    413: "invalid_request_error",
    415: "invalid_request_error",
  },
  anthropic: {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    413: "request_too_large",
    415: "invalid_request_error",
  },
};

function denialBody(api: ModelApi, denial: Denial, status: DenialStatus): object {
  const message = denialMessage(denial);
  const type = ERROR_TYPES[api][status];
  if (api === "anthropic") {
    return { type: "error", error: { type, message, denial }, request_id: denial.decision_id };
  }
  return { error: { message, type, code: denial.code, param: null, denial } };
}

/** What a model gets to read where only a sentence fits. */
export function denialMessage({ reason, remediation, retryable }: Denial): string {
  const sentence = /[.!?…]$/.test(reason) ? reason : `${reason}.`;
  const remedy = remediation ? ` Remediation: ${JSON.stringify(remediation)}.` : "";
  return `${sentence}${remedy}${retryable ? "" : " Do not retry the same call."}`;
}
