import type { Denial } from "../../../core/denial";
import type { ModelApi } from "./routes";

/**
 * A denial as the provider's own refusal would look: 403, which SDKs raise as `PermissionDeniedError`, and `x-should-retry: false`, so that it stays
 * one call.
 */
export function denialResponse(api: ModelApi, denial: Denial): Response {
  return new Response(JSON.stringify(denialBody(api, denial)), {
    status: 403,
    headers: {
      "content-type": "application/json",
      "x-should-retry": "false",
      "x-hopguard-decision": denial.decision_id,
    },
  });
}

function denialBody(api: ModelApi, denial: Denial): object {
  const message = denialMessage(denial);
  if (api === "anthropic") {
    return {
      type: "error",
      error: { type: "permission_error", message, denial },
      request_id: denial.decision_id,
    };
  }
  return { error: { message, type: "permission_denied", code: denial.code, param: null, denial } };
}

/** What a model gets to read where only a sentence fits. */
export function denialMessage({ reason, remediation, retryable }: Denial): string {
  const sentence = /[.!?…]$/.test(reason) ? reason : `${reason}.`;
  const remedy = remediation ? ` Remediation: ${JSON.stringify(remediation)}.` : "";
  return `${sentence}${remedy}${retryable ? "" : " Do not retry the same call."}`;
}
