import * as z from "zod";
import type { CheckOptions } from "../../core/context";
import { within } from "../../core/deadline";
import { isJsonObject, snapshot, type JsonObject, type JsonValue } from "../../core/json";
import { isKindPart, isToolName } from "../../core/names";
import type { StandardIssue, StandardSchema } from "../../core/standard-schema";
import { parseStrictJson } from "../../core/strict-json";
import { answering, refusing, unchanging } from "./argument-schemas";

/** A call that a meta tool makes in its caller's place. */
export interface InnerCall {
  /** The tool that is called. */
  readonly tool: string;
  /** Its arguments, or their JSON text, which is best left unparsed: it is read strictly here. Default: none. */
  readonly arguments?: unknown;
  /** The MCP server that the tool is on. Default: where the meta tool is. */
  readonly server?: string;
  /** The toolset that the tool is in. Default: where the meta tool is. */
  readonly toolset?: string;
}

/**
 * Reads the calls that a meta tool (`run_tool({ name, args })`, `batch({ calls })`) will make out of its arguments, which are validated and
 * frozen. Without an answer, or with one that makes no sense, the meta tool is denied; so it is when this throws.
 */
export type MetaTool = (args: JsonObject) => InnerCall | readonly InnerCall[] | undefined;

/** Meta tools by name. A map, so that a tool named `constructor` is only a name. */
export type MetaTools = ReadonlyMap<string, MetaTool>;

/** For options: one meta tool. */
export const metaToolSchema = z.custom<MetaTool>(
  (value) => typeof value === "function",
  "expected a function of the tool's arguments",
);

/** For options: meta tools by name. Not a record of zod's, which takes an object with a function named `constructor` for no plain one. */
export const metaToolsSchema = z
  .custom<Readonly<Record<string, MetaTool>>>(isJsonObject, "expected an object of functions by tool")
  .transform((given, { issues }): MetaTools => {
    for (const [name, metaTool] of Object.entries(given)) {
      const message = isToolName(name)
        ? "expected a function of the tool's arguments"
        : "is not the name of a tool";
      if (!isToolName(name) || typeof metaTool !== "function") {
        issues.push({ code: "custom", path: [name], message, input: metaTool });
      }
    }
    return new Map(Object.entries(given));
  })
  .prefault({});

/** A tool call that is to be decided. */
export interface ToolCall {
  readonly kind: string;
  readonly tool: string;
  readonly arguments?: unknown;
  /** Whether a meta tool makes it. */
  readonly isInner: boolean;
}

/** What the policy is asked about a tool call. */
export interface ToolQuestion extends Pick<CheckOptions, "schema" | "refuse"> {
  readonly kind: string;
  readonly action: string;
  readonly attr: Readonly<Record<string, unknown>>;
}

/** A meta tool that calls meta tools: deeper than this is a cycle, or wants to be one. */
const MAX_DEPTH = 4;
/** Inner calls of one call. */
const MAX_CALLS = 100;
/** Milliseconds that a schema has. The session's own deadline is not known here. */
const DEADLINE_MS = 5_000;

const UNMAPPED = "must say which tool is to be called, and with what";
const TOO_MANY = `must not lead to more than ${MAX_CALLS} calls of other tools, nor deeper than ${MAX_DEPTH} levels`;

const innerCall = z
  .strictObject({
    tool: z.string(),
    arguments: z.unknown().optional(),
    server: z.string().refine(isKindPart).optional(),
    toolset: z.string().refine(isKindPart).optional(),
  })
  .refine(({ server, toolset }) => server === undefined || toolset === undefined);

/**
 * The questions about a call of a meta tool: its own first, then those about all that it calls. Every one must be answered with allow, or
 * the policy on a tool would be passed by through another. Arguments are read before the first `await`.
 */
export function askWithInnerCalls(
  call: ToolCall,
  metaTools: Pick<MetaTools, "get">,
  ask: (call: ToolCall) => ToolQuestion | Promise<ToolQuestion>,
): Promise<readonly ToolQuestion[]> {
  const owner = call.kind;
  let asked = 0;

  const questions = async (call: ToolCall, depth: number): Promise<readonly ToolQuestion[]> => {
    const args = readArguments(call.arguments);
    const question = withInnerSchema(await ask(args ? { ...call, arguments: args } : call), call);
    if (!args) return [{ ...question, schema: refusing("expected an object of JSON") }];
    const metaTool = metaTools.get(call.tool);
    // The operator says of this server's tools, or this toolset's, which of them are meta tools; other owners' are not known.
    if (!metaTool || question.refuse || call.kind !== owner) return [question];

    const result = await validate(question.schema, args);
    if (result.issues) return [{ ...question, schema: answering(result) }];
    const inner = innerCalls(metaTool, result.value, call.kind);
    asked += inner?.length ?? 0;
    if (!inner || depth === MAX_DEPTH || asked > MAX_CALLS) {
      return [{ ...question, schema: refusing(inner ? TOO_MANY : UNMAPPED) }];
    }
    const below = await Promise.all(inner.map((each) => questions(each, depth + 1)));
    return [{ ...question, schema: answering(result) }, ...below.flat()];
  };

  return questions(call, 0);
}

function withInnerSchema(question: ToolQuestion, { isInner }: ToolCall): ToolQuestion {
  return isInner && question.schema ? { ...question, schema: unchanging(question.schema) } : question;
}

function readArguments(given: unknown): JsonObject | undefined {
  try {
    const args = snapshot(given === undefined ? {} : given);
    return isJsonObject(args) ? args : undefined;
  } catch {
    return undefined;
  }
}

type Validated =
  { readonly value: JsonObject; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** Once: what is mapped is what is checked and sent. */
async function validate(schema: StandardSchema | undefined, args: JsonObject): Promise<Validated> {
  if (!schema) return { value: args };
  try {
    const result = await within(DEADLINE_MS, "argument schema", schema["~standard"].validate(args));
    if (result.issues) return result;
    const value = snapshot(result.value);
    if (isJsonObject(value)) return { value };
  } catch {
    // A schema that throws accepts nothing.
  }
  return { issues: [{ message: "could not be held against their schema" }] };
}

function innerCalls(metaTool: MetaTool, args: JsonObject, kind: string): readonly ToolCall[] | undefined {
  try {
    const calls = z
      .array(innerCall)
      .min(1)
      .parse([metaTool(args)].flat());
    return calls.map(({ tool, arguments: given, server, toolset }) => ({
      kind: server !== undefined ? `mcp_${server}` : toolset !== undefined ? `tool_${toolset}` : kind,
      tool,
      arguments: readInnerArguments(given),
      isInner: true,
    }));
  } catch {
    return undefined;
  }
}

/** A tool that parses text for itself may read a member that stands there twice in another way than we do: such text is refused. */
function readInnerArguments(given: unknown): JsonValue {
  return typeof given === "string" ? parseStrictJson(given) : snapshot(given === undefined ? {} : given);
}
