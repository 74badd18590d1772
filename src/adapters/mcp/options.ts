import * as z from "zod";
import { TOOL_EFFECTS } from "../../core/hop";
import { assertKindPart, isToolName } from "../../core/names";
import { parseOptions } from "../../core/options";
import type { StandardSchema, ToolEffect } from "../../index";
import { toStandardSchema } from "../shared/json-schema";
import { metaToolsSchema, type MetaTool, type MetaTools } from "../shared/meta-tools";

/** How a server's calls are named and typed for the policy. */
export interface GuardTransportOptions {
  /** The server's name in policies, whose kind is `mcp_<server>`: 1 to 64 of a-z, 0-9 and _. */
  readonly server: string;
  /**
   * What a tool does, in your own judgement: policies read it as `R.attr.effect`. The server's own annotations are an untrusted hint
   * and stand beside it. Default: none.
   */
  readonly effects?: Readonly<Record<string, ToolEffect>>;
  /**
   * Schemas of tools' arguments, as JSON Schemas or Standard Schemas (zod, valibot, …). They take the place of the server's own, and what
   * they make of the arguments is what is checked and sent. Default: the server's.
   */
  readonly schemas?: Readonly<Record<string, StandardSchema | Readonly<Record<string, unknown>>>>;
  /**
   * Arguments that no schema gives a type: `"deny"` them (the default), because a policy that compares `"9000"` with a number may not
   * find it too large, or `"allow"` the policy to see them as they are.
   */
  readonly untyped?: "deny" | "allow";
  /**
   * Tools that call tools, and how their arguments say which: every call that such a function reads out of them is decided beside the meta
   * tool's own. Inner tools that the server does not list have no schema, unless `schemas` holds one: see `untyped`. Default: none.
   */
  readonly metaTools?: Readonly<Record<string, MetaTool>>;
  /**
   * Tools whose definition has changed, and may: what this connection sees of them first takes the place of what the session saw before. Later
   * changes are denied again. Default: none.
   */
  readonly admit?: readonly string[];
  /**
   * Hands the server a signed word on every tool call that was allowed, in `_meta` under `dev.hopguard/assertion`, so that it can check the call again.
   * Needs the guard's `assertions`: a call that cannot be signed is denied. Default: none. One that the agent brings along is never passed on.
   */
  readonly assertion?: {
    /** The server's own name, to which its `assertionVerifier` holds the assertion. */
    readonly audience: string;
  };
}

/** The options with every default in place. Maps, so that a tool named `constructor` is only a name. */
export interface Settings {
  readonly server: string;
  readonly effects: ReadonlyMap<string, ToolEffect>;
  readonly schemas: ReadonlyMap<string, StandardSchema>;
  readonly allowUntyped: boolean;
  readonly metaTools: MetaTools;
  readonly admit: ReadonlySet<string>;
  /** Whom tool calls are asserted to. */
  readonly audience: string | undefined;
}

const toolName = z.string().refine(isToolName, "is not the name of a tool");

const schema = z.strictObject({
  server: z.unknown(),
  effects: z.record(toolName, z.enum(TOOL_EFFECTS)).default({}),
  schemas: z.record(toolName, z.unknown()).default({}),
  untyped: z.enum(["deny", "allow"]).default("deny"),
  metaTools: metaToolsSchema,
  admit: z.array(toolName).default([]),
  assertion: z.strictObject({ audience: z.string().min(1) }).optional(),
});

/** @throws {ConfigurationError} naming the option. */
export function readOptions(options: GuardTransportOptions, caller = "guardTransport"): Settings {
  const { server, effects, schemas, untyped, metaTools, admit, assertion } = parseOptions(
    schema,
    caller,
    options,
  );
  assertKindPart(server, `${caller}.server`);
  return Object.freeze({
    server,
    effects: new Map(Object.entries(effects)),
    schemas: new Map(
      Object.entries(schemas).map(([tool, given]) => [
        tool,
        toStandardSchema(given, `${caller}.schemas.${tool}`),
      ]),
    ),
    allowUntyped: untyped === "allow",
    metaTools,
    admit: new Set(admit),
    audience: assertion?.audience,
  });
}
