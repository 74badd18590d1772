import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { isToolName } from "../../core/names";
import { isCall, type Call } from "./json-rpc";
import { INPUT_REQUESTS } from "./methods";
import { unsupported, type Question } from "./question";
import { askElicitation, type Knowledge } from "./questions";
import type { ServerPolicy } from "./server-policy";
import { MAX_ASKED } from "./server-requests";
import type { Catalogue } from "./tool-catalogue";

/** What a server's answers are held against. */
export interface Review {
  readonly policy: ServerPolicy;
  readonly catalogue: Catalogue;
  readonly knowledge: Knowledge;
  readonly signal: AbortSignal;
}

/**
 * What a client may see of a server's answer. At once where nothing has to be asked, so that answers keep their order.
 *
 * Resources are listed to whoever may list them, and each is decided when it is read.
 *
 * @throws {AuthorizationDeniedError} (or rejects with it) for an answer that the policy withholds.
 */
export function reviewResult(
  call: Call,
  result: JsonObject,
  review: Review,
): JsonObject | Promise<JsonObject> {
  // Revision 2026-07-28 asks things of the client within a result, which may be a list all the same.
  if (result.inputRequests === undefined) return reviewMembers(call, result, review);
  return authorizeInput(result.inputRequests, review).then(() => reviewMembers(call, result, review));
}

/** Since revision 2025-11-25 a server also asks by failing: the client is to open these URLs, and then to call again. */
const URL_ELICITATION_REQUIRED = -32042;

/**
 * Decides what a server asks of the client within an error. `undefined`: nothing.
 *
 * @throws {AuthorizationDeniedError} (rejects with it) for what the policy withholds.
 */
export function reviewError({ code, data }: JsonObject, review: Review): Promise<void> | undefined {
  if (code !== URL_ELICITATION_REQUIRED || !isJsonObject(data)) return undefined;
  return data.elicitations === undefined ? undefined : authorizeElicitations(data.elicitations, review);
}

async function authorizeElicitations(
  elicitations: JsonValue,
  { policy, knowledge, signal }: Review,
): Promise<void> {
  const pages = few(items(elicitations)).flatMap((params) => {
    // A form is not to be asked for in this way.
    if (!isJsonObject(params) || params.mode !== "url") throw new Error("The server asks in no known form.");
    return askElicitation({ method: "elicitation/create", params }, knowledge);
  });
  await policy.authorizeAll(pages, signal);
}

function reviewMembers(call: Call, result: JsonObject, review: Review): JsonObject | Promise<JsonObject> {
  const { tasks } = review.knowledge;
  switch (call.method) {
    case "tools/call":
      tasks.bind(call, result);
      return result;
    case "tools/list":
      return withVisibleTools(result, review);
    case "prompts/list":
      return withVisiblePrompts(result, review);
    case "tasks/list":
      return tasks.ownOf(result);
    case "resources/list":
    case "resources/templates/list":
    case "resources/read":
      return forThisClient(result);
    default:
      return result;
  }
}

/** The cursor stays, even on a page that is left empty: more may follow. */
async function withVisibleTools(
  result: JsonObject,
  { policy, catalogue, signal }: Review,
): Promise<JsonObject> {
  const definitions = catalogue.learn(items(result.tools));
  const names = definitions.map(({ name }) => name as string);
  const visibility = await policy.visible("tools", names, signal);
  const tools = definitions.filter(({ name }) => visibility[name as string] !== "never");
  return forThisClient({ ...result, tools });
}

async function withVisiblePrompts(result: JsonObject, { policy, signal }: Review): Promise<JsonObject> {
  const named = items(result.prompts).filter(hasToolName);
  const visibility = await policy.visible(
    "prompts",
    named.map(({ name }) => name),
    signal,
  );
  return forThisClient({ ...result, prompts: named.filter(({ name }) => visibility[name] !== "never") });
}

async function authorizeInput(requests: JsonValue, { policy, knowledge, signal }: Review): Promise<void> {
  if (!isJsonObject(requests)) throw new Error("The server asks for input in no known form.");
  const questions = few(Object.values(requests)).flatMap((request) => askInputRequest(request, knowledge));
  await policy.authorizeAll(questions, signal);
}

function few(requests: readonly JsonValue[]): readonly JsonValue[] {
  if (requests.length > MAX_ASKED) throw new Error("The server asks for more than anybody could answer.");
  return requests;
}

function askInputRequest(request: JsonValue, knowledge: Knowledge): readonly Question[] {
  const rule = isCall(request) ? INPUT_REQUESTS.get(request.method) : undefined;
  if (!isCall(request) || rule === undefined) {
    return [
      unsupported("input_required", "The server asks something of the client that the guard does not know."),
    ];
  }
  return rule(request, knowledge);
}

/**
 * SDK 2 may keep answers and serve them again, to another user where their scope is public, or after a revocation. It does so for every
 * revision if the application gives it a default, so these members are set for every revision.
 */
function forThisClient(result: JsonObject): JsonObject {
  return { ...result, cacheScope: "private", ttlMs: 0 };
}

function items(value: JsonValue | undefined): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new Error("The server's answer is no list.");
  return value as readonly JsonValue[];
}

function hasToolName(item: JsonValue): item is JsonObject & { readonly name: string } {
  return isJsonObject(item) && isToolName(item.name);
}
