import type { Denial } from "../../../../core/denial";
import { InvalidJsonError, isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { Session } from "../../../../core/session";
import { parseStrictJson } from "../../../../core/strict-json";
import { cleanText } from "../../../../core/text";
import { refusing } from "../../argument-schemas";
import { askWithInnerCalls, type ToolCall, type ToolQuestion } from "../../meta-tools";
import { denialMessage } from "../denial-response";
import type { ModelGuard, ToolOrigin } from "../options";
import type { AnsweredCall } from "./answered-call";
import { DeclaredTypes, type DeclaredTools } from "./declared-types";

/** What the tool calls of one answer are checked with. */
export interface CallChecksOptions {
  readonly guard: ModelGuard;
  readonly session: Session;
  /** What the request that is answered, or one before it, has declared: the tools, and so the types of their arguments. */
  readonly declared: DeclaredTools | undefined;
  /** It asks for an answer in a format of JSON. A sentence would be no such answer, and what the SDKs read it with would throw. */
  readonly isStructured: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks of each tool call in an answer what the decision would be if the agent made it: the same hop, with the same types. It is only a look-up,
 * because the call itself is decided when it is made.
 */
export class CallChecks {
  readonly #types: DeclaredTypes;

  constructor(private readonly options: CallChecksOptions) {
    this.#types = new DeclaredTypes(options.declared, options.guard);
  }

  /** Whether what a denied call is replaced by is a refusal, and no text. */
  get refuses(): boolean {
    return this.options.isStructured;
  }

  /** Resolves to what the model is to read in place of the call, or `undefined` for a call that may be made. Never rejects. */
  async check(call: AnsweredCall): Promise<string | undefined> {
    const { session, signal } = this.options;
    const questions = await this.#questions(call);
    const decisions = await Promise.all(
      questions.map(({ kind, action, attr, ...options }) => {
        // Only what is refused anyway is asked of a model.
        const hop = { kind, action, attr, ...(kind === "llm_model" && { id: this.options.guard.provider }) };
        return session.check(hop, { ...options, lookUp: true, ...(signal && { signal }) });
      }),
    );
    const denied = decisions.find((decision) => decision.effect === "deny");
    return denied && deniedText(call, denied.denial);
  }

  #questions(call: AnsweredCall): readonly ToolQuestion[] | Promise<readonly ToolQuestion[]> {
    const origin = call.unclear === undefined ? this.#originOf(call) : undefined;
    if (!origin) return [unknownTool(call)];
    const { tool = call.name, metaTool } = origin;
    const asked = { kind: kindOf(origin), tool, arguments: readArguments(call.given), isInner: false };
    if (!asked.arguments || !metaTool) return [this.#question(asked, call, origin)];
    return askWithInnerCalls(asked, new Map([[tool, metaTool]]), (each) =>
      each.isInner ? this.#innerQuestion(each, origin) : this.#question(each, call, origin),
    );
  }

  #question({ kind, tool, arguments: args }: ToolCall, call: AnsweredCall, origin: ToolOrigin): ToolQuestion {
    const { effect } = origin;
    const schema =
      args === undefined ? refusing("expected one object of JSON") : this.#types.of(call, origin);
    return {
      kind,
      action: `tools/call/${tool}`,
      attr: { arguments: args ?? {}, ...(effect && { effect }) },
      ...(schema && { schema }),
    };
  }

  /** What a meta tool calls is known if the map has it under its own name. */
  #innerQuestion(inner: ToolCall, outer: ToolOrigin): ToolQuestion {
    const call: AnsweredCall = { name: inner.tool, given: { value: {} } };
    const origin = this.#originOf(call);
    const isKnown = origin && kindOf(origin) === inner.kind && (origin.tool ?? inner.tool) === inner.tool;
    const { effect: _effect, schema: _schema, ...untold } = outer;
    return this.#question(inner, call, isKnown ? origin : untold);
  }

  #originOf({ name, serverLabel }: AnsweredCall): ToolOrigin | undefined {
    if (serverLabel !== undefined) return this.#types.hostedServer(serverLabel);
    try {
      return this.options.guard.originOf?.(name);
    } catch {
      // The operator's own function: what it has no answer for is not known.
      return undefined;
    }
  }
}

function kindOf({ server, toolset }: ToolOrigin): string {
  return server !== undefined ? `mcp_${server}` : `tool_${toolset}`;
}

function unknownTool({
  name,
  unclear: reason = "The agent has no tool of this name.",
}: AnsweredCall): ToolQuestion {
  return {
    kind: "llm_model",
    action: `tools/call/${name}`,
    attr: {},
    refuse: { code: "unsupported_hop", reason },
  };
}

function readArguments(given: AnsweredCall["given"]): JsonObject | undefined {
  if ("plainText" in given) return { input: given.plainText };
  const value = "json" in given ? parsed(given.json) : given.value;
  return isJsonObject(value) ? value : undefined;
}

/** Models write nothing at all where a tool takes nothing. */
function parsed(json: string): JsonValue | undefined {
  if (json.trim() === "") return {};
  try {
    return parseStrictJson(json);
  } catch (error) {
    if (error instanceof InvalidJsonError) return undefined;
    throw error;
  }
}

function deniedText({ name }: AnsweredCall, denial: Denial): string {
  return `The call of the tool "${cleanText(name, 128)}" was denied: ${denialMessage(denial)}`;
}
