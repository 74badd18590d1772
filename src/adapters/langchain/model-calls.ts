import { AuthorizationDeniedError, denialError } from "../../core/errors";
import type { Hop } from "../../core/hop";
import { InvalidJsonError } from "../../core/json";
import type { Session } from "../../core/session";
import type { JointAllow } from "../shared/joint-decision";
import { decideHops } from "../shared/model-api/decide-hops";
import { modelHops } from "../shared/model-api/model-hops";
import { parseModelGuardOptions, type ModelGuard } from "../shared/model-api/options";
import { UnreadableBodyError } from "../shared/model-api/request-body";
import { scanRequest } from "../shared/model-api/request-scan";
import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";
import { textOf } from "./message-text";
import { readModelRequest, type ModelStart } from "./model-request";
import type { ModelCheckOptions } from "./options";

/** The calls of models, decided on behalf of one session. */
export class ModelCalls {
  readonly #session: Session;
  readonly #guard: ModelGuard;
  readonly #provider: string | undefined;

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(caller: string, session: Session, { provider, hostedServers }: ModelCheckOptions) {
    this.#session = session;
    this.#provider = provider;
    this.#guard = parseModelGuardOptions(caller, "openai", {
      ...(provider !== undefined && { provider }),
      ...(hostedServers && { hostedServers }),
      answers: "pass",
    });
  }

  /**
   * Decides a call, with every model, hosted tool and MCP server that its parameters name.
   *
   * @throws {AuthorizationDeniedError} with the denial.
   */
  async authorize(start: ModelStart, signal?: AbortSignal): Promise<JointAllow> {
    try {
      const text = textOf(start.messages);
      const hops = this.#hops(start, text.length);
      const options = { content: text, ...(signal && { signal }) };
      const allowed = await decideHops(this.#session, hops, options);
      if (!allowed) throw new UnsupportedRequestError("The call is no hop that could be decided.");
      return allowed;
    } catch (error) {
      if (AuthorizationDeniedError.isInstance(error)) throw error;
      return this.refuse(error);
    }
  }

  /** Denies, and records, what nobody knows how to decide. @throws {AuthorizationDeniedError} */
  async refuse(problem: unknown): Promise<never> {
    const isUnreadable = problem instanceof UnreadableBodyError || problem instanceof InvalidJsonError;
    const isOurs = problem instanceof UnreadableBodyError || problem instanceof UnsupportedRequestError;
    const code = isUnreadable ? "arguments_invalid" : "unsupported_hop";
    const decision = await this.#session.check(
      { kind: "llm_model", id: this.#provider ?? "langchain", action: "completion" },
      { refuse: { code, ...(isOurs && { reason: problem.message }) } },
    );
    throw decision.effect === "deny" ? denialError(decision.denial) : problem;
  }

  #hops(start: ModelStart, length: number): readonly Hop[] {
    const { provider, model, body } = readModelRequest(start);
    const guard = { ...this.#guard, provider: this.#provider ?? provider };
    const counted = this.#session.countsUsage ? { length } : {};
    const request = { body, scan: scanRequest(body), ...counted };
    return modelHops(guard, "langchain", "completion", model, request).map(withoutGuesses);
  }
}

/** LangChain decides later whether it streams: `false` would be a guess. */
function withoutGuesses(hop: Hop): Hop {
  const { request } = hop.attr ?? {};
  if (typeof request !== "object" || request === null || !("stream" in request)) return hop;
  const { stream, ...known } = request;
  return stream === true ? hop : { ...hop, attr: { ...hop.attr, request: known } };
}
