import * as z from "zod";
import { TOOL_EFFECTS, type ToolEffect } from "../../../core/hop";
import { ConfigurationError } from "../../../core/errors";
import { isKindPart, isModelId, assertKindPart } from "../../../core/names";
import { parseOptions } from "../../../core/options";
import type { ModelApi } from "./routes";

/** Where a tool that is declared to a model belongs. `tool` is its name there, if that is another. */
export type ToolOrigin = {
  readonly tool?: string;
  /** How you classify the tool, as in the options of the transport or the toolset; policies read it as `R.attr.effect`. */
  readonly effect?: ToolEffect;
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
  /** What happens to a request that declares a tool which this principal may never use. Default `"remove"`: the tool is taken out. */
  readonly hiddenTools?: "remove" | "deny";
  /** MCP servers that run at the provider, by URL or connector id, and their names for policies. Others are denied. */
  readonly hostedServers?: Readonly<Record<string, string>>;
  /** The model that the provider takes where a request names none, by action: `{ moderation: "omni-moderation-latest" }`. Else it is denied. */
  readonly defaultModels?: Readonly<Record<string, string>>;
  /** Stored prompts by id, and the model that each of them runs. Others are denied. */
  readonly prompts?: Readonly<Record<string, string>>;
  /** Endpoints that the guard does not know, as `"POST /files"` below the base URL; `*` stands for one segment. */
  readonly endpoints?: Readonly<Record<string, AdmittedEndpoint>>;
  /** The largest request body. Default 33,554,432 characters and 100 levels. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
}

const model = z.string().refine(isModelId, "expected a model id");
const serverName = z.string().refine(isKindPart, "expected a name of a-z, 0-9 and _");
const tool = {
  tool: z.string().min(1).optional(),
  effect: z.enum(TOOL_EFFECTS).optional(),
};
const origin = z.union([
  z.strictObject({ server: serverName, ...tool }),
  z.strictObject({ toolset: serverName, ...tool }),
]);

const shape = {
  provider: z.string().min(1).optional(),
  tools: z
    .union([
      z.record(z.string(), origin),
      z.custom<(name: string) => ToolOrigin | undefined>(
        (value) => typeof value === "function",
        "expected a map or a function",
      ),
    ])
    .optional(),
  hiddenTools: z.enum(["remove", "deny"]).default("remove"),
  hostedServers: z.record(z.string(), serverName).default({}),
  defaultModels: z.record(z.string(), model).default({}),
  prompts: z.record(z.string(), model).default({}),
  endpoints: z
    .record(
      z.string().regex(/^[A-Z]+ \/\S*$/, "expected a method and a path, as in POST /files"),
      z.strictObject({ model, action: z.string().min(1) }),
    )
    .default({}),
  limits: z
    .strictObject({ maxDepth: z.int().positive().optional(), maxLength: z.int().positive().optional() })
    .default({}),
};

export interface ModelGuard {
  readonly api: ModelApi;
  readonly provider: string;
  /** Finds where a declared tool belongs; `undefined` where no map was given. */
  readonly originOf: ((name: string) => ToolOrigin | undefined) | undefined;
  readonly hiddenTools: "remove" | "deny";
  readonly hostedServers: ReadonlyMap<string, string>;
  readonly defaultModels: ReadonlyMap<string, string>;
  readonly prompts: ReadonlyMap<string, string>;
  readonly endpoints: readonly (AdmittedEndpoint & { readonly method: string; readonly path: RegExp })[];
  readonly limits: { readonly maxDepth: number; readonly maxLength: number };
}

/** @throws {ConfigurationError} naming every wrong option. */
export function parseModelGuardOptions(
  caller: string,
  api: ModelApi,
  options: ModelGuardOptions,
): ModelGuard {
  const parsed = parseOptions(z.strictObject(shape), caller, options);
  return Object.freeze({
    api,
    provider: parsed.provider ?? api,
    originOf: parsed.tools === undefined ? undefined : originReader(parsed.tools as ToolMap),
    hiddenTools: parsed.hiddenTools,
    hostedServers: new Map(Object.entries(parsed.hostedServers).map(([url, name]) => [sameUrl(url), name])),
    defaultModels: new Map(Object.entries(parsed.defaultModels)),
    prompts: new Map(Object.entries(parsed.prompts)),
    endpoints: Object.entries(parsed.endpoints).map(([key, admitted]) => ({
      ...admitted,
      ...endpointPattern(key),
    })),
    limits: { maxDepth: parsed.limits.maxDepth ?? 100, maxLength: parsed.limits.maxLength ?? 33_554_432 },
  });
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
