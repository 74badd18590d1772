import type { ToolMap } from "hopguard/fetch";
import type { ShownCall } from "./answer-reader";
import { callsWithin, META_TOOL, readCalls, type CallWithin } from "./inner-calls";
import type { Need } from "./oracle";
import { refundSchema } from "./schemas";
import { Violation } from "./violation";

/** Where the tools belong that a model is told of. */
export const ORIGINS: ToolMap = {
  refund: { server: "payments", effect: "destructive", schema: refundSchema.schema },
  search: { toolset: "desk", tool: "find", untyped: "allow" },
  delete: { toolset: "desk" },
  [META_TOOL]: { toolset: "desk", untyped: "allow", metaTool: readCalls },
};

/** What a request says of the arguments of `delete`. */
export const DELETE_PARAMETERS = {
  type: "object",
  properties: { id: { type: "integer" } },
  required: ["id"],
  additionalProperties: false,
};

type Args = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Args =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The same in the oracle's words: what each is to the policy, and what it takes. */
const TOOLS: Readonly<
  Record<string, Pick<CallWithin, "kind" | "tool"> & { readonly takes: (args: unknown) => boolean }>
> = {
  refund: { kind: "mcp_payments", tool: "refund", takes: refundSchema.accepts },
  search: { kind: "tool_desk", tool: "find", takes: isObject },
  delete: {
    kind: "tool_desk",
    tool: "delete",
    takes: (args) => isObject(args) && Object.keys(args).join() === "id" && Number.isInteger(args.id),
  },
  [META_TOOL]: { kind: "tool_desk", tool: META_TOOL, takes: isObject },
};

/**
 * What somebody must have allowed, if only as a look-up, for an agent to be shown a call.
 *
 * @throws {Violation} for a call that nobody could allow.
 */
export function hopsOfCall({ name, args }: Pick<ShownCall, "name" | "args">): readonly Need[] {
  const known = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined;
  if (!known?.takes(args)) throw new Violation("A call was shown that nobody could make:", name, args);
  const { kind, tool } = known;
  const inner = name === META_TOOL ? callsWithin(args, kind) : [];
  for (const { tool, args } of inner) {
    if (!TOOLS[tool]?.takes(args))
      throw new Violation("A call was shown that calls what nobody could:", tool, args);
  }
  return [{ kind, tool, args }, ...inner].map(({ kind, tool, args }) => ({
    kind,
    name: kind.replace(/^(?:mcp|tool)_/, ""),
    action: `tools/call/${tool}`,
    attr: { tool, arguments: args, effect: tool === "refund" ? "destructive" : undefined },
    isLookUp: true,
  }));
}
