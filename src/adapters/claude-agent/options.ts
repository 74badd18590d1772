import * as z from "zod";
import type { Denial } from "../../core/denial";
import { isKindPart } from "../../core/names";
import { parseOptions } from "../../core/options";
import { agentToolsShape } from "../shared/agent-tools/options";
import type { ModelGuardOptions, ToolMap } from "../shared/model-api/options";
import { REFUSED_OPTIONS, type RefusedOption } from "./refused-options";

/** Options of {@link guardQueryOptions}. */
export interface GuardQueryOptions {
  /** The toolset that the built-in tools belong to (`Bash`, `Read`, `WebFetch`, …): their kind is `tool_<toolset>`. Default `"claude"`. */
  readonly toolset?: string;
  /**
   * What is to be said of single tools (`effect`, `schema`), by the name that the model sees: `Bash`, `mcp__payments__refund_issue`. A built-in tool that the
   * guard has no schema for is denied unless it has an entry with one. Tools of `mcpServers` need none: they belong to the server in their name.
   */
  readonly tools?: ToolMap;
  /** What happens to a tool whose arguments have no schema, of its own or in `tools`. Default `"deny"`: nobody has said what they may be. */
  readonly untyped?: "deny" | "allow";
  /**
   * How model calls are guarded, as `guardAnthropic` takes it. `"unguarded"` leaves them out: nothing is said of models then, and MCP tools have no
   * schema but the one in `tools`. That is for Bedrock, Vertex and a login of Claude's own, whose calls the guard cannot stand before.
   */
  readonly models?: Omit<ModelGuardOptions, "tools"> | "unguarded";
  /** Options of the SDK that are refused because they could lead past the guard, and that you let pass all the same. Default: none. */
  readonly admit?: readonly RefusedOption[];
  /** Sees each denial of a call of a tool, whole, before the model reads of it; `call.id` is the SDK's `tool_use_id`. A throw denies as well. */
  readonly onDenial?: (denial: Denial, call: { readonly id: string; readonly name: string }) => void;
  /** Milliseconds that a decision on a tool may take; then it is denied. Default 30,000. */
  readonly deadlineMs?: number;
}

const shape = {
  ...agentToolsShape,
  toolset: z.string().refine(isKindPart, "expected a name of a-z, 0-9 and _").default("claude"),
  models: z
    .union([z.literal("unguarded"), z.looseObject({ tools: z.never().optional() })], {
      error: 'expected options of guardAnthropic without `tools`, or "unguarded"',
    })
    .default({}),
  admit: z.array(z.enum(Object.keys(REFUSED_OPTIONS) as RefusedOption[])).default([]),
  onDenial: z
    .custom<NonNullable<GuardQueryOptions["onDenial"]>>(
      (value) => typeof value === "function",
      "expected a function",
    )
    .optional(),
  deadlineMs: z.int().positive().max(600_000).default(30_000),
};

/** @throws {ConfigurationError} naming every wrong option. */
export function readOptions(options: GuardQueryOptions) {
  const { models, tools, ...rest } = parseOptions(z.strictObject(shape), "guardQueryOptions", options);
  return {
    ...rest,
    tools: tools as ToolMap | undefined,
    models: models as Omit<ModelGuardOptions, "tools"> | "unguarded",
  };
}

/** The options, read. */
export type Settings = ReturnType<typeof readOptions>;
