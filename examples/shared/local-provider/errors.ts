import { newId } from "./wire";

/** An error that a provider answers with; each has its own JSON for it. */
export interface ProviderFault {
  readonly status: number;
  readonly message: string;
  /** OpenAI's `error.code`. */
  readonly code?: string;
}

/** Thrown by an endpoint that cannot serve a request. */
export class FaultError extends Error {
  constructor(readonly fault: ProviderFault) {
    super(fault.message);
  }
}

const anthropicTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  404: "not_found_error",
  500: "api_error",
};

/** An error in OpenAI's shape. */
export function openaiError({ status, message, code }: ProviderFault): Response {
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  return Response.json({ error: { message, type, param: null, code: code ?? null } }, { status });
}

/** An error in Anthropic's shape. */
export function anthropicError({ status, message }: ProviderFault): Response {
  const error = { type: anthropicTypes[status] ?? "api_error", message };
  return Response.json({ type: "error", error, request_id: newId("req_") }, { status });
}
