import type { Hop } from "../../../core/hop";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import { storedModel } from "./main-model";
import { sameUrl, type ModelGuard } from "./options";
import type { RequestScan } from "./request-scan";
import { UnsupportedRequestError } from "./unsupported-request";
import { demandOf, estimateOf } from "./usage/estimate";

/**
 * Every hop that a request to a model is: each model that it names, each tool that runs at the provider, each MCP server that the provider
 * calls.
 *
 * @throws {UnsupportedRequestError} for an MCP server that the option `hostedServers` does not name.
 * @throws {UnreadableBodyError} for a limit that is no number.
 */
export function modelHops(
  guard: ModelGuard,
  endpoint: string,
  action: string,
  model: string,
  request?: {
    readonly body: JsonObject;
    readonly scan: RequestScan;
    readonly limits?: readonly string[] | undefined;
    readonly length?: number;
  },
): readonly Hop[] {
  const { provider, hostedServers } = guard;
  const hopTo = (id: string, action: string, attr: JsonObject): Hop => ({
    kind: "llm_model",
    id,
    action,
    attr: { provider, endpoint, requested: id, ...attr },
  });
  if (!request) return [hopTo(model, action, { request: {} })];

  const { body, scan, limits, length } = request;
  const facts = { ...requestFacts(body, scan, limits), ...(length !== undefined && estimateOf(length)) };
  const stored = scan.stored.map((object) => storedModel(guard, object));
  return [
    ...[...new Set([model, ...scan.models, ...stored])].map((id) => hopTo(id, action, { request: facts })),
    ...scan.hosted.map(({ type, declaration }) =>
      hopTo(model, `hosted_tools/${type}`, { declaration: declarationFacts(declaration) }),
    ),
    ...scan.hostedServers.map((url): Hop => {
      const server = hostedServers.get(sameUrl(url));
      if (server === undefined) {
        throw new UnsupportedRequestError(
          "The request lets the provider call an MCP server that has no name here; the option `hostedServers` maps its URL to one.",
        );
      }
      return { kind: `mcp_${server}`, action: "initialize", attr: { transport: "hosted" } };
    }),
  ];
}

/** `R.attr.request`: what policies may want to know of a request, and none of what it says. */
function requestFacts(
  body: JsonObject,
  { tools, hosted }: RequestScan,
  limits: readonly string[] | undefined,
): JsonObject {
  const messages = [body.messages, body.input].find(Array.isArray) as readonly JsonValue[] | undefined;
  return {
    stream: body.stream === true,
    ...demandOf(body, limits),
    message_count:
      messages?.length ?? (typeof body.input === "string" || typeof body.prompt === "string" ? 1 : 0),
    tools: tools.map(({ name }) => name),
    hosted_tools: hosted.map(({ type }) => type),
    ...(Array.isArray(body.modalities) && { modalities: body.modalities }),
    ...continued(body),
  };
}

/** What the provider holds of the conversation already: nobody here sees what was said in it, or who said it. */
function continued(body: JsonObject): JsonObject {
  const { thread } = body;
  const held = ["previous_response_id", "conversation"].find(
    (name) => body[name] !== undefined && body[name] !== null,
  );
  const continues = held ?? (isJsonObject(thread) && thread.type === "continue" ? "thread" : undefined);
  return continues === undefined ? {} : { continues };
}

/** Flat facts of a declaration; headers and authorization are secrets. */
function declarationFacts(declaration: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(declaration).filter(
      ([key, value]) =>
        !/auth|header|token|key|secret/i.test(key) && (typeof value !== "object" || value === null),
    ),
  );
}
