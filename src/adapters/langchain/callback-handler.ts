import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import { assertSession } from "../shared/assert-session";
import { readHandlerOptions, type HopguardCallbackHandlerOptions } from "./handler-options";
import { callOf, decideToolRun } from "./tool-run";
import type { ModelCalls } from "./model-calls";
import { runsOf, type Runs } from "./runs";
import { usageOf } from "./token-usage";

type StartOf<Method extends "handleChatModelStart" | "handleLLMStart" | "handleToolStart"> = Parameters<
  NonNullable<BaseCallbackHandler[Method]>
>;

/**
 * Decides every call of a model or a tool that LangChain announces to its callbacks, before it is made. A denied call rejects with the denial. Register
 * the handler itself, on a run, an agent or a graph: `{ callbacks: [handler] }`.
 *
 * LangChain waits for handlers that raise errors, and listens to the errors of no others. So this one cannot be extended, changed or copied.
 */
export class HopguardCallbackHandler extends BaseCallbackHandler {
  override readonly name = "hopguard";
  readonly #session: Session;
  readonly #runs: Runs;
  readonly #models: ModelCalls | undefined;
  readonly #tools: AgentTools | undefined;

  /** @throws {ConfigurationError} naming the wrong option, for a subclass, and for a LangChain that would not wait. */
  constructor(session: Session, options: HopguardCallbackHandlerOptions) {
    super({ raiseError: true });
    if (new.target !== HopguardCallbackHandler) throw new ConfigurationError(EXTENDED);
    assertSession("HopguardCallbackHandler", session);
    const { models, tools } = readHandlerOptions("HopguardCallbackHandler", session, options);
    this.#session = session;
    this.#runs = runsOf(session);
    this.#models = models;
    this.#tools = tools;
    if (!this.raiseError || !this.awaitHandlers || this.ignoreLLM || this.ignoreAgent) {
      throw new ConfigurationError(UNSUPPORTED);
    }
    // A copy (a spread, Object.assign, fromMethods) has none of the methods, and would look on in silence.
    Object.defineProperty(this, "original", { enumerable: true, get: refuseCopy });
    Object.freeze(this);
  }

  /** Whether this decides the calls of models for the session. @internal */
  decidesModelsOf(session: Session): boolean {
    return this.#models !== undefined && this.#session === session;
  }

  /** The same handler: nothing in it belongs to a run. */
  override copy(): BaseCallbackHandler {
    return this;
  }

  override async handleChatModelStart(...start: StartOf<"handleChatModelStart">): Promise<void> {
    const [, [messages = []], runId, , extra, , metadata] = start;
    await HopguardCallbackHandler.#own(this).#beginModel(runId, messages, messages, extra, metadata);
  }

  override async handleLLMStart(...start: StartOf<"handleLLMStart">): Promise<void> {
    const [, prompts, runId, , extra, , metadata] = start;
    await HopguardCallbackHandler.#own(this).#beginModel(runId, prompts.join(), prompts, extra, metadata);
  }

  override handleLLMNewToken(_token: string, _index: unknown, runId: string): void {
    HopguardCallbackHandler.#own(this).#runs.assertStanding(runId);
  }

  override async handleLLMEnd(output: unknown, runId: string): Promise<void> {
    await HopguardCallbackHandler.#own(this).#runs.end(runId, "done", usageOf(output));
  }

  override async handleLLMError(_error: unknown, runId: string): Promise<void> {
    await HopguardCallbackHandler.#own(this).#runs.end(runId, "failed");
  }

  override async handleToolStart(...start: StartOf<"handleToolStart">): Promise<void> {
    const [tool, input, runId, , , , name] = start;
    const tools = HopguardCallbackHandler.#own(this).#tools;
    if (!tools) return;
    const run = { name, input, className: tool.id.at(-1) };
    await this.#runs.begin(
      runId,
      callOf(name, input),
      () => decideToolRun(this.#session, tools, run),
      IDLE_TOOL_MS,
    );
  }

  override async handleToolEnd(_output: unknown, runId: string): Promise<void> {
    await HopguardCallbackHandler.#own(this).#runs.end(runId, "done");
  }

  override async handleToolError(_error: unknown, runId: string): Promise<void> {
    await HopguardCallbackHandler.#own(this).#runs.end(runId, "failed");
  }

  /** `call` is the same for every handler that is told of one call. */
  async #beginModel(
    runId: string,
    call: unknown,
    messages: readonly unknown[],
    extra: Readonly<Record<string, unknown>> | undefined,
    tracing: unknown,
  ): Promise<void> {
    const models = this.#models;
    if (!models) return;
    const start = { params: extra?.invocation_params, tracing, messages };
    await this.#runs.begin(runId, call, () => models.authorize(start), IDLE_MODEL_MS);
  }

  /** A method that was taken out of its handler cannot keep a call from being made: LangChain does not hear it there. It is said all the same. */
  static #own(handler: HopguardCallbackHandler): HopguardCallbackHandler {
    return #runs in handler ? handler : refuseCopy();
  }
}

/** A stream that its reader leaves tells nobody. */
const IDLE_MODEL_MS = 600_000;
/** A tool tells of its end, unless another handler kept it from beginning. */
const IDLE_TOOL_MS = 86_400_000;
const EXTENDED =
  "HopguardCallbackHandler: what a subclass shadows is not decided, and LangChain goes on; register this handler beside one of your own";
const UNSUPPORTED =
  "HopguardCallbackHandler: this @langchain/core does not wait for its handlers; 1.0.0 and later do";

function refuseCopy(): never {
  throw new ConfigurationError(
    "HopguardCallbackHandler: LangChain does not wait for a copy, nor for single methods of it; register the handler itself: { callbacks: [handler] }",
  );
}
