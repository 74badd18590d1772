import { isJsonObject, type JsonValue } from "../../core/json";
import { jsonSchema } from "../shared/json-schema";
import { paramsOf, type Call } from "./json-rpc";
import { malformed, unsupported, type Question } from "./question";
import { isPlainUri } from "./resource-uri";
import { NO_TASK, type TaskBindings } from "./task-bindings";

/** What the questions about a call draw on. */
export interface Knowledge {
  /** `R.attr.transport`. */
  readonly transport: string;
  readonly tools: { ask(call: Call): ReturnType<AskLater> };
  /** The tasks that run at the server. */
  readonly tasks: TaskBindings;
  /** The tasks that the client makes of what the server asks of it. */
  readonly clientTasks: TaskBindings;
}

/** The questions about a call. All of them must be answered with allow. */
export type Ask = (call: Call, knowledge: Knowledge) => readonly Question[];
/** Questions that may need something from the server first. */
export type AskLater = (
  call: Call,
  knowledge: Knowledge,
) => readonly Question[] | Promise<readonly Question[]>;

/** A method of the server as a whole. */
export const askServer: Ask = ({ method }, { transport }) => [{ action: method, attr: { transport } }];

/** Opening the server, whatever a revision calls it. */
export const askOpening: Ask = (_call, { transport }) => [{ action: "initialize", attr: { transport } }];

export const askToolCall: AskLater = (call, { tools }) => tools.ask(call);

export const askTask: Ask = (call, { tasks }) => [tasks.ask(call)];

export const askClientTask: Ask = (call, { clientTasks }) => [clientTasks.ask(call)];

export const askResource: Ask = (call) => {
  const { uri } = paramsOf(call);
  const action = call.method;
  return [isPlainUri(uri) ? { action, attr: { uri } } : malformed(action, "params.uri", PLAIN_URI)];
};

const PLAIN_URI = "a URI in its normal form, without dot segments";

/** MCP has no other type for the arguments of a prompt. */
const PROMPT_ARGUMENTS = jsonSchema({ type: "object", additionalProperties: { type: "string" } });

export const askPrompt: Ask = (call) => {
  const { name, arguments: given } = paramsOf(call);
  if (typeof name !== "string") return [malformed(call.method, "params.name")];
  const attr = { prompt: name, ...(given !== undefined && { arguments: given }) };
  return [{ action: `prompts/get/${name}`, attr, schema: PROMPT_ARGUMENTS }];
};

/** Completing an argument reads names and values out of a prompt or a resource. */
export const askCompletion: Ask = (call) => {
  const { ref, argument } = paramsOf(call);
  const action = call.method;
  const { name: prompt, uri } = isJsonObject(ref) ? ref : {};
  if ((typeof prompt === "string") === (typeof uri === "string")) {
    return [malformed(action, "params.ref", "the name of a prompt or the URI of a resource")];
  }
  if (!isJsonObject(argument) || typeof argument.name !== "string") {
    return [malformed(action, "params.argument.name")];
  }
  const subject = typeof prompt === "string" ? { prompt } : { uri };
  return [{ action, attr: { ...subject, argument: argument.name } }];
};

export const askLogging: Ask = (call, { transport }) => [askLevel(paramsOf(call).level, transport)];

function askLevel(level: JsonValue | undefined, transport: string, place = "params.level"): Question {
  const action = "logging/setLevel";
  return typeof level === "string" ? { action, attr: { transport, level } } : malformed(action, place);
}

const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const RELATED_TASK = "io.modelcontextprotocol/related-task";

/** What a request's `_meta` asks for beside the request itself. */
export const askMeta: Ask = (call, { transport, tasks }) => {
  const { _meta: meta } = paramsOf(call);
  if (!isJsonObject(meta)) return [];
  const { [LOG_LEVEL]: level, [RELATED_TASK]: task } = meta;
  // Revision 2026-07-28 has no other way to set the level.
  const questions = level === undefined ? [] : [askLevel(level, transport, `params._meta["${LOG_LEVEL}"]`)];
  // A server may queue its answer, and what it asks meanwhile, for whoever fetches the result of that task.
  const isOwn = task === undefined || (isJsonObject(task) && tasks.has(task.taskId));
  return isOwn ? questions : [...questions, unsupported(call.method, NO_TASK)];
};

/** Listening to a resource is subscribing to it, and decided by the same rule. What else may be listened to says of nothing but lists. */
export const askListening: Ask = (call, { transport }) => {
  const { notifications } = paramsOf(call);
  const { resourceSubscriptions: uris = [], ...lists } = isJsonObject(notifications) ? notifications : {};
  if (!isJsonObject(notifications) || !isPlainUris(uris)) {
    return [malformed(call.method, "params.notifications", "a filter of subscriptions with plain URIs")];
  }
  if (!Object.keys(lists).every((name) => LISTS.has(name))) {
    return [unsupported(call.method, "The guard does not know all that is to be listened to.")];
  }
  const subscriptions = uris.map((uri) => ({ action: "resources/subscribe", attr: { uri } }));
  return [{ action: call.method, attr: { transport } }, ...subscriptions];
};

const LISTS: ReadonlySet<string> = new Set([
  "toolsListChanged",
  "promptsListChanged",
  "resourcesListChanged",
]);

export const askSampling: Ask = (call, { transport }) => {
  const { maxTokens, includeContext } = paramsOf(call);
  const attr = {
    transport,
    // To some a negative one is no limit, and it would be below every limit of a policy's.
    ...(typeof maxTokens === "number" && maxTokens >= 0 && { max_tokens: maxTokens }),
    ...(typeof includeContext === "string" && { include_context: includeContext }),
  };
  return [{ action: call.method, attr }];
};

export const askElicitation: Ask = (call, { transport }) => {
  const { mode = "form", url } = paramsOf(call);
  const action = call.method;
  if (typeof mode !== "string") return [malformed(action, "params.mode")];
  return [{ action, attr: { transport, mode, ...(typeof url === "string" && { url }) } }];
};

function isPlainUris(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every(isPlainUri);
}
