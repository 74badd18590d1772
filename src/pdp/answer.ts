import * as z from "zod";
import { PdpError } from "../core/pdp-error";
import type { PdpAnswer, PlanKind } from "../core/ports";
import type { CheckRequest, PlanRequest, ResourceCheck } from "./backend";

const validationErrors = z
  .array(
    z.object({
      path: z.string().default(""),
      message: z.string().default(""),
      source: z.string().default(""),
    }),
  )
  .nullish()
  .transform((errors) => errors ?? []);

const resultSchema = z.object({
  resource: z.object({
    kind: z.string(),
    id: z.string(),
    policyVersion: z.string().optional(),
    scope: z.string().optional(),
  }),
  actions: z.record(z.string(), z.unknown()),
  validationErrors,
  meta: z
    .object({ actions: z.record(z.string(), z.object({ matchedPolicy: z.string().optional() })).optional() })
    .optional(),
  outputs: z
    // An output whose expression fails has no value: a text for the agent that is lost, and no answer that is wrong.
    .array(z.object({ src: z.string(), action: z.string().default(""), val: z.unknown().optional() }))
    .nullish()
    .transform((outputs) => outputs ?? []),
});

const checkSchema = z.object({
  requestId: z.string(),
  cerbosCallId: z.string().optional(),
  results: z.array(resultSchema),
});

const planSchema = z.object({
  requestId: z.string(),
  filter: z.object({ kind: z.enum(["KIND_ALWAYS_ALLOWED", "KIND_CONDITIONAL", "KIND_ALWAYS_DENIED"]) }),
  validationErrors,
});

type Result = z.output<typeof resultSchema>;

/**
 * Reads the answers to a request's checks, in their order. An ALLOW counts on exact proof alone: one result for our kind and our id, the effect
 * exactly `EFFECT_ALLOW`, and nothing found wrong with what was asked.
 *
 * @throws {PdpError} `pdp_invalid_response` when the answer as a whole is not one to this request.
 */
export function readCheckAnswer(request: CheckRequest, answer: unknown): readonly PdpAnswer[] {
  const { requestId, cerbosCallId, results } = parse(checkSchema, answer);
  if (requestId !== request.requestId) throw invalid("is to another request");
  if (results.length !== request.checks.length) {
    throw invalid(`has ${results.length} results for ${request.checks.length} resources`);
  }
  const byResource = new Map(results.map((result) => [key(result.resource), result]));
  if (byResource.size !== results.length) throw invalid("has two results for one resource");
  return request.checks.map((check) => {
    const result = byResource.get(key(check.resource));
    if (!result) throw invalid("leaves a resource out");
    return readResult(check, result, cerbosCallId);
  });
}

function readResult(
  { actions, resource }: ResourceCheck,
  result: Result,
  callId: string | undefined,
): PdpAnswer {
  for (const field of ["policyVersion", "scope"] as const) {
    if (resource[field] && result.resource[field] !== resource[field])
      throw invalid(`is for another ${field}`);
  }
  const effects = new Map<string, "allow" | "deny">();
  for (const action of actions) {
    const effect = Object.hasOwn(result.actions, action) ? result.actions[action] : undefined;
    if (effect !== "EFFECT_ALLOW" && effect !== "EFFECT_DENY")
      throw invalid("leaves an action without a known effect");
    effects.set(action, effect === "EFFECT_ALLOW" && result.validationErrors.length === 0 ? "allow" : "deny");
  }
  if (Object.keys(result.actions).length !== actions.length)
    throw invalid("speaks of actions that nobody asked about");
  return {
    ...(callId !== undefined && { callId }),
    effects,
    matchedPolicies: new Map(
      Object.entries(result.meta?.actions ?? {}).flatMap(([action, { matchedPolicy }]) =>
        matchedPolicy === undefined ? [] : [[action, matchedPolicy] as const],
      ),
    ),
    outputs: result.outputs.map(({ src, action, val }) => ({ source: src, action, value: val ?? null })),
    validationErrors: result.validationErrors,
  };
}

/** @throws {PdpError} `pdp_invalid_response` when it is no answer to this request. */
export function readPlanAnswer(request: PlanRequest, answer: unknown): PlanKind {
  const { requestId, filter, validationErrors } = parse(planSchema, answer);
  if (requestId !== request.requestId) throw invalid("is to another request");
  if (validationErrors.length > 0 || filter.kind === "KIND_ALWAYS_DENIED") return "never";
  return filter.kind === "KIND_ALWAYS_ALLOWED" ? "always" : "conditional";
}

function parse<S extends z.ZodType>(schema: S, answer: unknown): z.output<S> {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  throw invalid(`is not of the API's shape: ${z.prettifyError(result.error)}`);
}

function key({ kind, id }: { readonly kind: string; readonly id: string }): string {
  return JSON.stringify([kind, id]);
}

function invalid(what: string): PdpError {
  return new PdpError("pdp_invalid_response", `the PDP's answer ${what}`);
}
