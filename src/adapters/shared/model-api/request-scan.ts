import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import { namesModel } from "./model-names";
import { UnreadableBodyError } from "./request-body";

/** A tool that the request declares for the agent to run. */
export interface DeclaredTool {
  readonly name: string;
  /** The list it stands in and its place there; a single declaration cannot be taken out. */
  readonly list: readonly JsonValue[] | undefined;
  readonly entry: JsonValue;
}

/** A tool that runs at the provider: its declaration is the only hop there is. */
export interface HostedTool {
  readonly type: string;
  readonly declaration: JsonObject;
}

export interface RequestScan {
  /** Every model that is named anywhere in the request. */
  readonly models: ReadonlySet<string>;
  readonly tools: readonly DeclaredTool[];
  readonly hosted: readonly HostedTool[];
  /** MCP servers that the provider is to call, by URL or connector. */
  readonly hostedServers: readonly string[];
  /** The tools that `tool_choice` names. */
  readonly chosenTools: ReadonlySet<string>;
  /** What may bring a model and tools that nobody here can see. */
  readonly stored: readonly StoredObject[];
}

/** What is kept at the provider and named by its id, and the option that says which model it runs. */
export interface StoredObject {
  readonly option: "prompts" | "assistants";
  readonly id: string;
}

/**
 * Members that hold schemas, arguments, notes of the caller's own, or what a provider has said of work that is done: a `model` in there names no
 * model. A credit's token is a secret besides.
 */
const OPAQUE = new Set([
  ...["parameters", "input_schema", "output_schema", "item_schema", "schema", "json_schema"],
  ...["metadata", "attributes", "arguments", "variables", "input_examples"],
  ...["svg_usage", "fallback_credit_token"],
]);
/** Lists of what was said and done before. */
const CONVERSATIONS = new Set(["messages", "input", "content", "output", "items", "additional_messages"]);
const TOOL_CHOICE = new Set(["tool_choice", "function_call", "toolchoice"]);
/** What Azure and OpenRouter let the provider consult, declared beside the tools. */
const HOSTED_LISTS = new Set(["data_sources", "plugins"]);
/** What a hosted server has listed before is part of the conversation, an item of a list there, and declares nothing. */
const LISTINGS = new Set<JsonValue | undefined>(["mcp_list_tools", "mcp_tool_listing", "mcp_toolset"]);

/**
 * Finds models, tools and servers wherever they stand in a request: nested tools have models of their own, gateways take fallbacks. It
 * looks everywhere but into what is opaque; a false find can only deny.
 */
export function scanRequest(body: JsonObject): RequestScan {
  const models = new Set<string>();
  const tools: DeclaredTool[] = [];
  const hosted: HostedTool[] = [];
  const hostedServers: string[] = [];
  const chosenTools = new Set<string>();
  const stored: StoredObject[] = [];

  /** `isItem`: of a conversation. Anything else may call itself what it likes: a request with the type of a listing would hide its tools. */
  const visitObject = (object: JsonObject, isItem: boolean): void => {
    for (const [key, value] of Object.entries(object)) {
      const name = key.toLowerCase();
      if ((isItem && isOfACall(name, object)) || OPAQUE.has(name)) continue;
      if (namesModel(key)) collectStrings(value, models);
      // In an item of a conversation it is a call that was made.
      if (TOOL_CHOICE.has(name) && !isItem) visitChoice(value);
      else if (name === "mcp_servers") visitServers(value);
      else if (name === "tools" || name === "functions") {
        if (isItem && LISTINGS.has(object.type)) visit(value);
        else visitTools(value);
      } else if (name === "definition" && object.type === "tool_definition") visitTool(value, undefined);
      else {
        visitOption(name, value);
        // In an item of a conversation it says which agent has made it.
        if (!isItem && isAgentReference(value)) stored.push({ option: "assistants", id: idOf(value.name) });
        visit(value, CONVERSATIONS.has(name));
      }
    }
  };
  /** What runs at the provider without being declared as a tool. */
  const visitOption = (name: string, value: JsonValue): void => {
    if (name === "web_search_options" && value !== null)
      hosted.push({ type: "web_search", declaration: isJsonObject(value) ? value : {} });
    // Agents that the provider lets work beside the model.
    if (name === "multi_agent" && isJsonObject(value) && value.enabled !== false)
      hosted.push({ type: "multi_agent", declaration: value });
    if (name === "skills") visitSkills(value);
    if (HOSTED_LISTS.has(name)) visitHosted(value);
    if (name === "prompt" && isJsonObject(value)) stored.push({ option: "prompts", id: idOf(value.id) });
    if (name === "assistant_id" && value !== null) stored.push({ option: "assistants", id: idOf(value) });
  };
  const visit = (value: JsonValue, areItems = false, isItem = false): void => {
    if (Array.isArray(value))
      for (const item of value as readonly JsonValue[]) visit(item, areItems, areItems);
    else if (isJsonObject(value)) visitObject(value, isItem);
  };
  const visitTools = (value: JsonValue): void => {
    if (Array.isArray(value)) for (const entry of value as readonly JsonValue[]) visitTool(entry, value);
    else if (value !== null) throw new UnreadableBodyError("Declared tools are not a list.");
  };
  const visitTool = (entry: JsonValue, list: readonly JsonValue[] | undefined): void => {
    if (!isJsonObject(entry)) throw new UnreadableBodyError("A declared tool is not an object.");
    // Anthropic takes null for its own custom tools.
    const type = entry.type ?? "function";
    if (typeof type !== "string")
      throw new UnreadableBodyError("A declared tool has a type that is not a string.");
    if (type === "function" || type === "custom") tools.push({ name: toolName(entry), list, entry });
    else {
      hosted.push({ type, declaration: entry });
      // What a gateway's own tool is set up with, a model of its own for one. Only the agent's own search has a schema there.
      if (type !== "tool_search") visit(entry.parameters ?? null);
    }
    // Whatever it calls itself: a gateway may not care about the case of `mcp`.
    if (type.toLowerCase() === "mcp" || SERVER_MEMBERS.some((member) => member in entry))
      hostedServers.push(serverOf(entry));
    visitObject(entry, false);
  };
  const visitHosted = (value: JsonValue): void => {
    for (const entry of Array.isArray(value) ? (value as readonly JsonValue[]) : [value]) {
      if (entry === null) continue;
      const type = isJsonObject(entry) ? (entry.type ?? entry.id) : undefined;
      if (!isJsonObject(entry) || typeof type !== "string")
        throw new UnreadableBodyError("A data source or plugin has no type.");
      hosted.push({ type, declaration: entry });
      // No schema here: Azure's data sources name the deployment that embeds for them.
      visit(entry.parameters ?? null);
    }
  };
  /** Instructions and programs for the provider's own machines: each is decided by its `skill_id`. */
  const visitSkills = (value: JsonValue): void => {
    if (value === null) return;
    if (!Array.isArray(value)) throw new UnreadableBodyError("skills is not a list.");
    for (const entry of value as readonly JsonValue[]) {
      if (!isJsonObject(entry)) throw new UnreadableBodyError("A skill is not an object.");
      hosted.push({ type: "skill", declaration: entry });
    }
  };
  /** What is chosen is declared elsewhere: `allowed_tools` holds no tools of its own. */
  const visitChoice = (value: JsonValue): void => {
    if (Array.isArray(value)) for (const item of value as readonly JsonValue[]) visitChoice(item);
    else if (isJsonObject(value)) {
      if (typeof value.name === "string") chosenTools.add(value.name);
      for (const [key, member] of Object.entries(value)) {
        if (namesModel(key)) collectStrings(member, models);
        visitChoice(member);
      }
    }
  };
  const visitServers = (value: JsonValue): void => {
    if (value === null) return;
    if (!Array.isArray(value)) throw new UnreadableBodyError("mcp_servers is not a list.");
    for (const entry of value as readonly JsonValue[]) {
      if (!isJsonObject(entry)) throw new UnreadableBodyError("A server in mcp_servers is not an object.");
      hosted.push({ type: "mcp", declaration: entry });
      hostedServers.push(serverOf(entry));
    }
  };
  visitObject(body, false);
  return { models, tools, hosted, hostedServers, chosenTools, stored };
}

/** The arguments of an earlier tool call, as Anthropic repeats them in the conversation, and OpenAI those of a shell: its `env` has any names. */
function isOfACall(name: string, { type }: JsonObject): boolean {
  if (typeof type !== "string") return false;
  return name === "input" ? type.endsWith("tool_use") : name === "action" && type.endsWith("_call");
}

/** Azure runs an agent of its own in the model's place: `{ agent: { type: "agent_reference", name } }`. */
function isAgentReference(value: JsonValue): value is JsonObject {
  return isJsonObject(value) && value.type === "agent_reference";
}

function toolName(entry: JsonObject): string {
  const inner = [entry.function, entry.custom].filter(isJsonObject);
  const names = [entry, ...inner].map(({ name }) => name).filter((name) => name !== undefined);
  const [name] = names;
  // Two names for one tool: the one that was checked might not be the one that is called.
  if (names.length !== 1 || typeof name !== "string")
    throw new UnreadableBodyError("A declared tool has no single name.");
  return name;
}

/** How OpenAI's hosted servers are named; Anthropic says `url`. */
const SERVER_MEMBERS = ["server_url", "connector_id", "tunnel_id"];

/** The one name of a hosted server. Of two, nobody knows which one is called. */
function serverOf(entry: JsonObject): string {
  const given = [...SERVER_MEMBERS, "url"]
    .map((member) => entry[member])
    .filter((value) => value !== undefined && value !== null);
  return given.length === 1 ? idOf(given[0]) : "";
}

/** No option admits an empty id. */
function idOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function collectStrings(value: JsonValue, into: Set<string>): void {
  if (typeof value === "string") into.add(value);
  else if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) collectStrings(item, into);
  } else if (isJsonObject(value) && !Object.hasOwn(value, "model")) {
    // A map from a model to its substitutes. An object with a `model` of its own is visited like every other.
    for (const item of Object.values(value)) collectStrings(item, into);
  }
}
