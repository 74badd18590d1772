import { AuthorizationDeniedError, denialError } from "../../core/errors";
import { InvalidJsonError } from "../../core/json";
import type { Session } from "../../core/session";
import { assertSession } from "../shared/assert-session";
import type { JointAllow } from "../shared/joint-decision";
import { decideHops } from "../shared/model-api/decide-hops";
import { hiddenTools } from "../shared/model-api/declared-tools";
import { CallUnderWay } from "../shared/model-api/followed-response";
import { modelHops } from "../shared/model-api/model-hops";
import type { ModelGuard } from "../shared/model-api/options";
import { UnreadableBodyError } from "../shared/model-api/request-body";
import { scanRequest, type RequestScan } from "../shared/model-api/request-scan";
import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";
import { readModelOptions, type ModelOptions } from "./model-options";
import { readModelRequest, type CallParams, type ModelRequest } from "./model-request";
import type { SpecifiedModel } from "./specified-model";

/** A call that may be made, with these options. */
export interface AllowedCall {
  readonly params: CallParams;
  readonly underWay: CallUnderWay;
}

/** The calls of models, decided on behalf of one session. */
export class ModelCalls {
  readonly #session: Session;
  readonly #guard: ModelGuard;
  /** Whether the operator has said what policies call the provider. */
  readonly #isNamed: boolean;

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(caller: string, session: Session, options: ModelOptions) {
    this.#guard = readModelOptions(caller, options);
    assertSession(caller, session);
    this.#session = session;
    this.#isNamed = options.provider !== undefined;
  }

  /**
   * Decides a call, whose options are read before the first `await`, with every model, hosted tool and MCP server that they name.
   *
   * @throws {AuthorizationDeniedError} with the denial; the reason of a signal that is aborted.
   */
  async authorize(
    model: SpecifiedModel,
    action: string,
    given: CallParams,
    isStream: boolean,
  ): Promise<AllowedCall> {
    const { modelId } = model;
    const guard = this.#guardOf(model);
    const signal = given.abortSignal instanceof AbortSignal ? given.abortSignal : undefined;
    try {
      const request = readModelRequest(given, isStream, guard.limits);
      const scan = scanRequest(request.body);
      const { length } = this.#session.countsUsage ? request.text() : {};
      const hops = modelHops(guard, model.provider, action, modelId, {
        ...{ body: request.body, scan },
        ...(length !== undefined && { length }),
      });
      const hiding = hiddenTools(guard, this.#session, scan.tools, signal);
      hiding.catch(() => undefined);
      const content = (): string => request.text();
      const allowed = await decideHops(this.#session, hops, { ...(signal && { signal }), content });
      if (!allowed) throw new UnsupportedRequestError("The call is no hop that could be decided.");
      return await this.#prepare(allowed, request, scan, hiding, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (AuthorizationDeniedError.isInstance(error)) throw error;
      throw await this.#undecidable(guard, modelId, action, error);
    }
  }

  /** Denies, and records, what nobody knows how to decide, and so does not call the model. */
  async refuse(model: SpecifiedModel, action: string, reason: string): Promise<never> {
    throw await this.#undecidable(
      this.#guardOf(model),
      model.modelId,
      action,
      new UnsupportedRequestError(reason),
    );
  }

  async #prepare(
    allowed: JointAllow,
    { params }: ModelRequest,
    { chosenTools }: RequestScan,
    hiding: ReturnType<typeof hiddenTools>,
    signal: AbortSignal | undefined,
  ): Promise<AllowedCall> {
    try {
      const hidden = new Set((await hiding).map(({ name }) => name));
      const fixed = [...hidden].find(
        (name) => this.#guard.hiddenTools === "deny" || chosenTools.has(name) || !offers(params, name),
      );
      if (fixed !== undefined)
        throw new UnsupportedRequestError(`The call offers the tool "${fixed}", which may not be used.`);
      return {
        params: hidden.size === 0 ? params : withoutTools(params, hidden),
        underWay: new CallUnderWay(allowed, signal),
      };
    } catch (error) {
      allowed.settle("failed");
      throw error;
    }
  }

  /** The provider is what the policy calls it: `openai`, whichever of its APIs it is. */
  #guardOf({ provider }: SpecifiedModel): ModelGuard {
    return this.#isNamed ? this.#guard : { ...this.#guard, provider: provider.split(".", 1).join("") };
  }

  async #undecidable(guard: ModelGuard, id: string, action: string, error: unknown): Promise<unknown> {
    const isUnreadable = error instanceof UnreadableBodyError || error instanceof InvalidJsonError;
    const code = isUnreadable ? "arguments_invalid" : "unsupported_hop";
    const reason =
      error instanceof UnreadableBodyError || error instanceof UnsupportedRequestError
        ? error.message
        : undefined;
    const decision = await this.#session.check(
      { kind: "llm_model", id: id, action, attr: { provider: guard.provider } },
      { refuse: { code, ...(reason !== undefined && { reason }) } },
    );
    // `refuse` never allows; the type does not know.
    return decision.effect === "allow" ? error : denialError(decision.denial);
  }
}

const toolsOf = ({ tools }: CallParams): readonly { readonly name: string }[] =>
  (tools ?? []) as readonly { readonly name: string }[];

/** Whether the tool can be taken out: it may also stand in a provider's own options. */
function offers(params: CallParams, tool: string): boolean {
  return toolsOf(params).some(({ name }) => name === tool);
}

function withoutTools(params: CallParams, hidden: ReadonlySet<string>): CallParams {
  const { tools: _tools, toolChoice, ...rest } = params;
  const shown = toolsOf(params).filter(({ name }) => !hidden.has(name));
  // A choice only makes sense beside tools.
  return shown.length === 0 ? rest : { ...rest, tools: shown, toolChoice };
}
