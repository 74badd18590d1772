import { isJsonObject, snapshot, type JsonObject, type JsonValue } from "../../core/json";
import { UnreadableBodyError } from "../shared/model-api/request-body";
import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";

/** What is known of a call where LangChain starts it. */
export interface ModelStart {
  /** What the model's class makes its request of: `invocationParams`. */
  readonly params: unknown;
  /** What it tells tracers: `ls_provider`, `ls_model_name`. */
  readonly tracing: unknown;
  /** The tools that are not among the parameters. */
  readonly tools?: readonly unknown[];
  readonly messages: readonly unknown[];
}

/** The same in the words of a wire, so that the guards of all models find models, tools and servers in one way. */
export interface ModelRequest {
  readonly provider: string;
  readonly model: string;
  readonly body: JsonObject;
}

/** Prompts and schemas of tools are large, and none of them is looked into. */
const LIMITS = { maxDepth: 100, maxLength: 33_554_432 };

/**
 * Reads which model a call is for.
 *
 * @throws {UnsupportedRequestError} where the class does not say which, or declares tools in a way that is not known.
 * @throws {InvalidJsonError} for parameters that are no JSON.
 */
export function readModelRequest({ params, tracing, tools, messages }: ModelStart): ModelRequest {
  const { tools: declared, toolConfig, ...given } = jsonOf(params);
  const { ls_provider: provider = "langchain", ls_model_name: traced } = jsonOf(tracing);
  // As the parameters say it: what tracers are told may be another name.
  const model = [given.model, given.modelId, traced].find((name) => typeof name === "string" && name !== "");
  if (typeof model !== "string" || typeof provider !== "string") {
    throw new UnsupportedRequestError(
      'The class of this model does not say which model it calls: guard it at fetch, with `models: "pass"` here.',
    );
  }
  const { tools: converse } = isJsonObject(toolConfig ?? null) ? (toolConfig as JsonObject) : {};
  // A class may be given declarations of its own, as what runs at the provider, that go out beside an agent's or in their place.
  const entries = [tools?.map(jsonOf), declared, converse].flatMap(listOf);
  return {
    provider,
    model,
    body: {
      ...given,
      // Another name in the parameters is another model that may be called.
      models: typeof traced === "string" ? [traced] : [],
      tools: entries.flatMap(declaration),
      messages: Array<null>(messages.length).fill(null),
    },
  };
}

/** The JSON in it, as it would be sent: members that are `undefined` are none. */
function jsonOf(value: unknown): JsonObject {
  const json = snapshot(JSON.parse(JSON.stringify(value ?? {})) as unknown, LIMITS);
  return isJsonObject(json) ? json : {};
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new UnreadableBodyError("Declared tools are not a list.");
  return value as readonly JsonValue[];
}

/** Each provider's declaration, as OpenAI would write it: `functionDeclarations` is Gemini's, `toolSpec` Bedrock's. */
function declaration(entry: JsonValue): readonly JsonValue[] {
  if (!isJsonObject(entry)) throw new UnreadableBodyError("A declared tool is not an object.");
  const { functionDeclarations, toolSpec } = entry;
  if (Array.isArray(functionDeclarations)) return (functionDeclarations as readonly JsonValue[]).map(named);
  if (toolSpec !== undefined) return [named(toolSpec)];
  if (entry.type !== undefined || entry.name !== undefined) return [entry];
  // `{ googleSearch: {} }` runs at the provider.
  const [type, ...others] = Object.keys(entry);
  if (type === undefined || others.length > 0)
    throw new UnsupportedRequestError("A tool is declared to the model in a way that is not known here.");
  return [{ type }];
}

function named(entry: JsonValue): JsonValue {
  const name = isJsonObject(entry) ? entry.name : undefined;
  if (typeof name !== "string") throw new UnreadableBodyError("A declared tool has no single name.");
  return { type: "function", name };
}
