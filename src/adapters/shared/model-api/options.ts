import * as z from "zod";
import { TOOL_EFFECTS, type ToolEffect } from "../../../core/hop";
import { ConfigurationError } from "../../../core/errors";
import { isKindPart, isModelId, assertKindPart } from "../../../core/names";
import { parseOptions } from "../../../core/options";
import { jsonSchema } from "../json-schema";
import { metaToolSchema, type MetaTool } from "../meta-tools";
import type { ModelApi } from "./routes";

/** Where a tool that is declared to a model belongs. `tool` is its name there, if that is another. */
export type ToolOrigin = {
  readonly tool?: string;
  /** How you classify the tool, as in the options of the transport or the toolset; policies read it as `R.attr.effect`. */
  readonly effect?: ToolEffect;
  /** A JSON Schema of its arguments, for the checks of {@link ModelGuardOptions.answers}. Goes before the one that the request declares. */
  readonly schema?: object;
  /** What those checks make of a call whose arguments have no schema. Default `"deny"`: nobody has said what they may be. */
  readonly untyped?: "deny" | "allow";
  /** How its arguments say which tools it calls in turn. Each of those calls is checked beside its own. */
  readonly metaTool?: MetaTool;
} & (
  | { readonly server: string; readonly toolset?: undefined }
  | { readonly toolset: string; readonly server?: undefined }
);

/** By the name that the model sees. A function answers `undefined` for a tool that it does not know. */
export type ToolMap = Readonly<Record<string, ToolOrigin>> | ((name: string) => ToolOrigin | undefined);

/** How an endpoint that names no model is decided: as this action on this model. */
export interface AdmittedEndpoint {
  /** The model that the endpoint stands for. A request to it that names another one is denied. */
  readonly model: string;
  readonly action: string;
}

/** What the guards of model clients have in common. */
export interface ModelGuardOptions {
  /** `R.attr.provider`. Default: the name of the API. */
  readonly provider?: string;
  /**
   * Which MCP server or toolset each declared tool belongs to. With it, tools that this principal may never use are taken out before the
   * request leaves, and a tool that the map does not know is taken for one of them. Without it, declared tools are sent as they are.
   */
  readonly tools?: ToolMap;
  /**
   * Whether the tool calls in a model's answer are checked before the agent sees them, streamed or not: a call that would be denied now is replaced by
   * text that says so (a refusal, where OpenAI was asked for JSON), and an answer that cannot be read is denied. Read are the answers of chat completions, Responses and Messages. Default
   * `"check"` with `tools`, which it needs, else `"pass"`.
   *
   * It spares the agent calls in vain, and is no substitute for the check when a tool is run: what the provider keeps (`previous_response_id`,
   * conversations, message threads) still holds the call that was replaced here, and results of batches and runs of assistants are not read.
   */
  readonly answers?: "check" | "pass";
  /**
   * Whether a chat stream is asked to say what it has used (`stream_options.include_usage`), for a guard that counts usage. Default `"ask"`; `"leave"` for a
   * provider that does not know the option: what was reserved is then taken as used.
   */
  readonly streamUsage?: "ask" | "leave";
  /** What happens to a request that declares a tool which this principal may never use. Default `"remove"`: the tool is taken out. */
  readonly hiddenTools?: "remove" | "deny";
  /** MCP servers that run at the provider, by URL or connector id, and their names for policies. Others are denied. */
  readonly hostedServers?: Readonly<Record<string, string>>;
  /** The model that the provider takes where a request names none, by action: `{ moderation: "omni-moderation-latest" }`. Else it is denied. */
  readonly defaultModels?: Readonly<Record<string, string>>;
  /**
   * Stored prompts by id, and the model that each of them runs. Others are denied. What the prompt says, its tools and a model that is changed
   * in it later are not seen.
   */
  readonly prompts?: Readonly<Record<string, string>>;
  /**
   * Assistants by id, agents that Azure keeps (`agent_reference`) by name, and the model that each of them runs. Runs of others are denied. The assistant's instructions, its tools and a model that
   * is changed in it later are not seen, nor what the thread holds already.
   */
  readonly assistants?: Readonly<Record<string, string>>;
  /**
   * Files of batches that this client has not uploaded, by id, and the model that their lines run on. Others are denied. The lines themselves, and
   * other models or tools in them, are not seen; a file that is uploaded through the client needs no entry, because its lines are read.
   */
  readonly batchFiles?: Readonly<Record<string, string>>;
  /**
   * Endpoints that the guard does not know, as `"POST /vector_stores"` below the base URL; `*` stands for one segment. Models and tools that
   * stand in such a request are decided, too, in a form only the fields that name a model; what it names by an id (agents, workflows, training files)
   * is not seen.
   */
  readonly endpoints?: Readonly<Record<string, AdmittedEndpoint>>;
  /**
   * Hands whoever is called, such as a gateway of your own, a signed word on every call that was allowed, in the header `hopguard-assertion`. Needs the
   * guard's `assertions`: a call that cannot be signed is denied. Default: none. One that the agent brings along is never passed on.
   */
  readonly assertion?: {
    /** The name of whoever is called, to which its `assertionVerifier` holds the assertion. */
    readonly audience: string;
  };
  /** The largest request body. Default 33,554,432 characters and 100 levels. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
}

const model = z.string().refine(isModelId, "expected a model id");
const serverName = z.string().refine(isKindPart, "expected a name of a-z, 0-9 and _");
const storedId = z.string().min(1);
const tool = {
  tool: z.string().min(1).optional(),
  effect: z.enum(TOOL_EFFECTS).optional(),
  schema: z.custom<object>(isUsableSchema, "expected a JSON Schema").optional(),
  untyped: z.enum(["deny", "allow"]).optional(),
  metaTool: metaToolSchema.optional(),
};
const origin = z.union([
  z.strictObject({ server: serverName, ...tool }),
  z.strictObject({ toolset: serverName, ...tool }),
]);

/** For options: see {@link ToolMap}. */
export const toolMap = z.union([
  z.record(z.string(), origin),
  z.custom<(name: string) => ToolOrigin | undefined>(
    (value) => typeof value === "function",
    "expected a map or a function",
  ),
]);

const shape = {
  provider: z.string().min(1).optional(),
  tools: toolMap.optional(),
  answers: z.enum(["check", "pass"]).optional(),
  streamUsage: z.enum(["ask", "leave"]).default("ask"),
  hiddenTools: z.enum(["remove", "deny"]).default("remove"),
  hostedServers: z.record(z.string(), serverName).default({}),
  defaultModels: z.record(z.string(), model).default({}),
  prompts: z.record(storedId, model).default({}),
  assistants: z.record(storedId, model).default({}),
  batchFiles: z.record(storedId, model).default({}),
  endpoints: z
    .record(
      z.string().regex(/^[A-Z]+ \/\S*$/, "expected a method and a path, as in POST /files"),
      z.strictObject({ model, action: z.string().min(1) }),
    )
    .default({}),
  assertion: z.strictObject({ audience: z.string().min(1) }).optional(),
  limits: z
    .strictObject({ maxDepth: z.int().positive().optional(), maxLength: z.int().positive().optional() })
    .default({}),
};

export interface ModelGuard {
  readonly api: ModelApi;
  readonly provider: string;
  /** Finds where a declared tool belongs; `undefined` where no map was given. */
  readonly originOf: ((name: string) => ToolOrigin | undefined) | undefined;
  readonly answers: "check" | "pass";
  readonly streamUsage: "ask" | "leave";
  readonly hiddenTools: "remove" | "deny";
  readonly hostedServers: ReadonlyMap<string, string>;
  readonly defaultModels: ReadonlyMap<string, string>;
  readonly prompts: ReadonlyMap<string, string>;
  readonly assistants: ReadonlyMap<string, string>;
  readonly batchFiles: ReadonlyMap<string, string>;
  readonly endpoints: readonly (AdmittedEndpoint & { readonly method: string; readonly path: RegExp })[];
  /** Whom calls are asserted to. */
  readonly audience: string | undefined;
  readonly limits: { readonly maxDepth: number; readonly maxLength: number };
}

/** @throws {ConfigurationError} naming every wrong option. */
export function parseModelGuardOptions(
  caller: string,
  api: ModelApi,
  options: ModelGuardOptions,
): ModelGuard {
  const parsed = parseOptions(z.strictObject(shape), caller, options);
  const { tools, answers = tools === undefined ? "pass" : "check" } = parsed;
  if (answers === "check" && tools === undefined) {
    throw new ConfigurationError(
      `${caller}.answers: "check" needs the option \`tools\`, which says where the tools of an answer belong`,
    );
  }
  return Object.freeze({
    api,
    provider: parsed.provider ?? api,
    originOf: tools === undefined ? undefined : originReader(tools as ToolMap),
    answers,
    streamUsage: parsed.streamUsage,
    hiddenTools: parsed.hiddenTools,
    hostedServers: new Map(Object.entries(parsed.hostedServers).map(([url, name]) => [sameUrl(url), name])),
    defaultModels: new Map(Object.entries(parsed.defaultModels)),
    prompts: new Map(Object.entries(parsed.prompts)),
    assistants: new Map(Object.entries(parsed.assistants)),
    batchFiles: new Map(Object.entries(parsed.batchFiles)),
    endpoints: Object.entries(parsed.endpoints).map(([key, admitted]) => ({
      ...admitted,
      ...endpointPattern(key),
    })),
    audience: parsed.assertion?.audience,
    limits: { maxDepth: parsed.limits.maxDepth ?? 100, maxLength: parsed.limits.maxLength ?? 33_554_432 },
  });
}

/** A Standard Schema may make something else of the arguments, and the agent would get what was not checked. */
function isUsableSchema(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null || "~standard" in schema) return false;
  try {
    return Boolean(jsonSchema(schema));
  } catch (error) {
    if (error instanceof ConfigurationError) return false;
    throw error;
  }
}

/** URLs that differ only in what the URL standard makes equal are one server; what is no URL is a connector's id. */
export function sameUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).href.replace(/\/$/, "") : url;
}

function originReader(tools: ToolMap): (name: string) => ToolOrigin | undefined {
  if (typeof tools === "function") {
    return (name) => {
      const origin = tools(name);
      if (origin) assertKindPart(origin.server ?? origin.toolset, "tools");
      return origin;
    };
  }
  // Own properties only: a tool named `constructor` is in no map by itself.
  return (name) => (Object.hasOwn(tools, name) ? tools[name] : undefined);
}

function endpointPattern(key: string): { readonly method: string; readonly path: RegExp } {
  const [method = "", path = ""] = key.split(" ");
  if (path.includes("**"))
    throw new ConfigurationError(`endpoints: "${key}": * stands for one segment, ** for nothing`);
  const escaped = path.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  // An encoded slash is one that a server may decode.
  return { method, path: new RegExp(`^(?:/v1)?${escaped.join("(?:(?!%2[fF]|%5[cC])[^/])+")}$`) };
}
