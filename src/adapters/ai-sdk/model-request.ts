import { textIn } from "../../core/classification";
import { isJsonObject, snapshot, type JsonObject, type JsonValue } from "../../core/json";
import { UnreadableBodyError } from "../shared/model-api/request-body";

/** What a model is called with: the options of its `doGenerate`, `doStream` or `doEmbed`. */
export type CallParams = Readonly<Record<string, unknown>>;

/** A call of a model, read once. */
export interface ModelRequest {
  /** What is sent: a copy that nobody else can change. */
  readonly params: CallParams;
  /** The same in the words of a wire, so that the guards of all models find models, tools and servers in one way. */
  readonly body: JsonObject;
  /** What it says, as text. */
  text(): string;
}

/**
 * Reads the options of a call before anything else can change them.
 *
 * @throws {InvalidJsonError} for options of a provider, or of a tool, that are no JSON, {@link UnreadableBodyError} for one in two spellings.
 */
export function readModelRequest(
  given: CallParams,
  isStream: boolean,
  limits: { readonly maxDepth: number; readonly maxLength: number },
): ModelRequest {
  const params = copyOf(given) as CallParams;
  const { prompt, values, maxOutputTokens, n, tools, toolChoice, providerOptions, headers } = params;
  const facts = { maxOutputTokens, n, tools, toolChoice, providerOptions, headers };
  const said = [prompt, values].find(Array.isArray) as readonly unknown[] | undefined;
  let text: string | undefined;
  return {
    params,
    // They are counted, and not looked into: the arguments of an earlier call name no model.
    body: inWireTerms(snapshot(facts, limits) as JsonObject, isStream, (said ?? [prompt]).length),
    text: () => (text ??= textOf(params)),
  };
}

function inWireTerms(facts: JsonObject, isStream: boolean, messages: number): JsonObject {
  const { maxOutputTokens, n, tools, toolChoice, providerOptions = {}, headers = {} } = facts;
  const choice = isJsonObject(toolChoice ?? null) ? (toolChoice as JsonObject).toolName : undefined;
  const others: JsonObject[] = [];
  const body: Record<string, JsonValue> = {
    stream: isStream,
    messages: Array<null>(messages).fill(null),
    ...(maxOutputTokens !== undefined && { max_tokens: maxOutputTokens }),
    ...(n !== undefined && { n }),
    ...(Array.isArray(tools) && { tools: (tools as readonly JsonObject[]).map(declaration) }),
    ...(choice !== undefined && { tool_choice: { name: choice } }),
    headers,
    provider_options: others,
  };
  // A provider's options become members of its request. What two of them give, or what is there already, is looked at beside it.
  for (const options of Object.values(inWireNames(providerOptions) as JsonObject)) {
    for (const [name, value] of Object.entries(options as JsonObject)) {
      if (Object.hasOwn(body, name)) others.push({ [name]: value });
      else body[name] = value;
    }
  }
  return body;
}

/** The tool as a provider would read it: its own tools by their type, `web_search` for `openai.web_search`. */
function declaration(tool: JsonObject): JsonObject {
  if (tool.type === "function") return { type: "function", name: tool.name ?? "" };
  const { id, args } = tool;
  const type = typeof id === "string" ? id.slice(id.indexOf(".") + 1) : (tool.type ?? "unknown");
  return { ...(inWireNames(args ?? {}) as JsonObject), type };
}

/** `mcpServers` as `mcp_servers`: providers' options are named in the style of the SDK. */
function inWireNames(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(inWireNames);
  if (!isJsonObject(value)) return value;
  const named = new Map<string, JsonValue>();
  for (const [name, member] of Object.entries(value)) {
    const wireName = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Of two, nobody knows which one the provider takes.
    if (named.has(wireName)) throw new UnreadableBodyError("An option is given in two spellings.");
    named.set(wireName, inWireNames(member));
  }
  return Object.fromEntries(named);
}

/** Copies what is data, and leaves the rest (bytes, URLs, signals) as it is. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== "object" || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copyOf(member)]));
}

/** Of prompt, values, documents and whatever else is said; bytes are no text. */
function textOf({ tools: _tools, headers: _headers, abortSignal: _signal, ...said }: CallParams): string {
  const json = JSON.stringify(said, function (this: CallParams, name: string, value: unknown) {
    return ArrayBuffer.isView(this[name]) ? undefined : value;
  });
  return textIn(JSON.parse(json) as JsonValue);
}
