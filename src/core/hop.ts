import type { Denial } from "./denial";
import {
  InvalidJsonError,
  isJsonObject,
  snapshot,
  type JsonLimits,
  type JsonObject,
  type JsonValue,
} from "./json";
import { isAction, isKind, isKindPart, isModelId } from "./names";
import { Refusal } from "./refusal";
import { validateArguments, type StandardSchema } from "./standard-schema";
import { cleanText } from "./text";

export const TOOL_EFFECTS = ["read", "write", "side_effect", "destructive"] as const;

/** How the operator classifies a tool; the server's own annotations are an untrusted hint. */
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/** One step that an agent takes: a model called, a server opened, a tool run, work handed on. */
export interface Hop {
  /** `llm_model`, `mcp_<server>`, `tool_<toolset>`, `a2a_<agent>`, or a kind of the application's own. */
  readonly kind: string;
  /**
   * The model's id, or the id of the application's own resource. Servers, toolsets and agents are named by the kind; the guard makes their
   * ids, one a decision, so that the answer for one call can never be read as the answer for another.
   */
  readonly id?: string;
  /** `completion`, `initialize`, `tools/call/<tool>`, `message/send`, or an action of the application's own. */
  readonly action: string;
  /** What the policy reads as `R.attr`. `context` and `facts` are the guard's own and are refused here. */
  readonly attr?: Readonly<Record<string, unknown>>;
}

/** A hop as it was read, once: frozen plain JSON. This is what was checked, and so it is what to send. */
export interface HopSnapshot {
  readonly kind: string;
  /** The model, server, toolset or agent. */
  readonly name: string;
  /** The resource id that the PDP is asked about. */
  readonly id: string;
  readonly action: string;
  readonly attr: JsonObject;
}

/** The names under `R.attr` that only the guard may set. */
const RESERVED_ATTRIBUTES = ["context", "facts"];

/** Kinds whose name is part of the kind, and the attribute that repeats it for policies. */
const NAMED_KINDS = [
  { prefix: "mcp_", attribute: "server" },
  { prefix: "tool_", attribute: "toolset" },
  { prefix: "a2a_", attribute: "agent" },
] as const;

/** What a kind names, and the attribute that repeats it; nothing for a kind that is not about something named. */
export function namedBy(kind: string): { readonly name: string; readonly attribute: string } | undefined {
  const named = NAMED_KINDS.find(({ prefix }) => kind.startsWith(prefix));
  return named && { name: kind.slice(named.prefix.length), attribute: named.attribute };
}

/** Reads each member once: a getter may answer differently the second time. */
export function readHop({ kind, id, action, attr = {} }: Hop): Hop {
  return { kind, ...(id !== undefined && { id }), action, attr };
}

/** How a denial and a record name a hop, which may be one that no grammar admits. */
export function describeHop({ kind, id, action }: Hop): Denial["hop"] {
  const shown = (value: unknown): string => (typeof value === "string" ? cleanText(value, 128) : "unknown");
  return Object.freeze({
    kind: shown(kind),
    name: namedBy(shown(kind))?.name ?? shown(id),
    action: shown(action),
  });
}

/** A hop that was read. Attributes that are no JSON are left out of it, with the refusal beside it. */
export interface ReadHop {
  readonly hop: HopSnapshot;
  readonly refusal?: Refusal;
}

/** @throws {Refusal} `unsupported_hop` for names outside the grammar. */
export function snapshotHop(
  { kind, id, action, attr: given }: Hop,
  decisionId: string,
  limits: JsonLimits,
): ReadHop {
  if (!isKind(kind)) throw unsupported("kind", kind, "letters, digits and _");
  if (!isAction(action)) throw unsupported("action", action, "letters, digits and _.-/:$");
  const read = readAttributes(given, limits);
  const refusal = read instanceof Refusal ? read : undefined;
  const attributes = read instanceof Refusal ? {} : read;
  const readAs = (hop: HopSnapshot): ReadHop => ({ hop: Object.freeze(hop), ...(refusal && { refusal }) });
  const named = namedBy(kind);
  if (named) {
    const { name, attribute } = named;
    if (!isKindPart(name)) throw unsupported(attribute, name, "a-z, 0-9 and _");
    const [, method, member] = /^(tools\/call|prompts\/get)\/(.+)$/.exec(action) ?? [];
    return readAs({
      kind,
      name,
      id: `${name}/${decisionId}`,
      action,
      // What kind and action say already cannot be said differently by the caller.
      attr: Object.freeze({
        ...attributes,
        [attribute]: name,
        ...(member !== undefined && { [method === "tools/call" ? "tool" : "prompt"]: member }),
      }),
    });
  }
  const isId = kind === "llm_model" ? isModelId : isResourceId;
  if (!isId(id)) throw unsupported("id", id, "printable characters, without spaces for a model");
  // The name as it is sent, which may be an alias of the model that the policy is asked about.
  const attr = kind === "llm_model" ? Object.freeze({ ...attributes, requested: id }) : attributes;
  return readAs({ kind, name: id, id, action, attr });
}

/** An application's ids may hold spaces and letters of any script, but nothing that cannot be seen. */
function isResourceId(id: unknown): id is string {
  return typeof id === "string" && id.length > 0 && id.length <= 1024 && cleanText(id, 1024) === id;
}

function unsupported(part: string, value: unknown, grammar: string): Refusal {
  const shown = typeof value === "string" ? `"${cleanText(value, 64)}"` : "the given value";
  return new Refusal("unsupported_hop", {
    reason: `${shown} is not a valid ${part} of a hop: use ${grammar}.`,
  });
}

function readAttributes(attr: unknown, limits: JsonLimits): JsonObject | Refusal {
  let attributes: JsonValue;
  try {
    attributes = snapshot(attr, limits);
  } catch (error) {
    if (error instanceof InvalidJsonError) {
      return new Refusal("arguments_invalid", { reason: `The call ${error.message}.` }, { cause: error });
    }
    throw error;
  }
  if (!isJsonObject(attributes)) {
    return new Refusal("arguments_invalid", { reason: "The attributes of a hop must be an object." });
  }
  const reserved = RESERVED_ATTRIBUTES.find((name) => Object.hasOwn(attributes, name));
  if (reserved !== undefined) {
    throw new Refusal("unsupported_hop", {
      reason: `The attribute "${reserved}" is the guard's own and cannot be given.`,
    });
  }
  return attributes;
}

/** Frozen, like all that is handed to a schema. */
const NO_ARGUMENTS: JsonObject = Object.freeze({});

/**
 * Holds the hop's arguments against their schema. What the schema makes of them (defaults, coercions) takes their place, so that the
 * value that was checked is the value that is sent. Or answers with the refusal, which says what was expected where and never what was found.
 */
export async function withValidArguments(
  hop: HopSnapshot,
  schema: StandardSchema | undefined,
  limits: JsonLimits,
): Promise<HopSnapshot | Refusal> {
  const given = hop.attr.arguments;
  if (given !== undefined && !isJsonObject(given)) {
    return new Refusal("arguments_invalid", { reason: "arguments: expected an object." });
  }
  if (schema === undefined) return hop;
  const valid = await validateArguments(schema, given ?? NO_ARGUMENTS, limits);
  if (valid instanceof Refusal) return valid;
  return Object.freeze({ ...hop, attr: Object.freeze({ ...hop.attr, arguments: valid }) });
}
