import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";
import type { ModelStart } from "./model-request";

type Members = Readonly<Record<string, unknown>>;
type Asked = (options: unknown) => unknown;

/** A model that is bound to options of its own, in itself, some times over. */
const MAX_DEPTH = 8;

/**
 * Reads from an agent's model what it would call.
 *
 * @throws {UnsupportedRequestError} for one that does not say it, such as a chain of other models.
 */
export async function readAgentModel(
  model: unknown,
  options: Members,
  configurable: unknown,
  depth = 0,
): Promise<Pick<ModelStart, "params" | "tracing">> {
  const { invocationParams, getLsParams, bound, kwargs, _getModelInstance: instance } = membersOf(model);
  if (typeof instance === "function") {
    // Of `initChatModel`, or an agent's `model: "openai:gpt-4o"`.
    const chosen: unknown = await (instance as Asked).call(model, { configurable });
    if (depth < MAX_DEPTH) return readAgentModel(chosen, options, configurable, depth + 1);
  }
  if (bound !== undefined && depth < MAX_DEPTH)
    return readAgentModel(bound, { ...membersOf(kwargs), ...options }, configurable, depth + 1);
  if (typeof invocationParams !== "function") {
    throw new UnsupportedRequestError(
      'The agent\'s model does not say what it calls: guard it at fetch, with `models: "pass"` here.',
    );
  }
  return {
    params: (invocationParams as Asked).call(model, options),
    tracing: typeof getLsParams === "function" ? (getLsParams as Asked).call(model, options) : undefined,
  };
}

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}
