import { AuthorizationDeniedError } from "../../core/errors";
import type { Denial, DenyDecision, Session, ToolEffect, VisibilityByName } from "../../index";
import { checkTogether, type JointAllow, type JointQuestion } from "../shared/joint-decision";
import type { Question, Refused } from "./question";

/** The policy of one server, asked on behalf of one session. */
export class ServerPolicy {
  constructor(
    private readonly session: () => Session,
    private readonly server: string,
    private readonly effects: Readonly<Record<string, ToolEffect>>,
  ) {}

  /** Decides several that stand or fall together. `undefined`: there was nothing to ask. */
  checkAll(
    questions: readonly Question[],
    signal?: AbortSignal,
  ): Promise<JointAllow | DenyDecision | undefined> {
    return checkTogether(
      this.session(),
      questions.map((question) => this.#jointQuestion(question, signal)),
    );
  }

  /** @throws {AuthorizationDeniedError} for the first denial. */
  async authorizeAll(questions: readonly Question[], signal?: AbortSignal): Promise<JointAllow | undefined> {
    const decision = await this.checkAll(questions, signal);
    if (decision?.effect === "deny") throw new AuthorizationDeniedError(decision.denial);
    return decision;
  }

  /** The denial of what needs no asking. It is recorded like any other. */
  async deny(question: Refused): Promise<Denial> {
    const { hop, options } = this.#jointQuestion(question);
    const decision = await this.session().check(hop, options);
    if (decision.effect === "allow") throw new Error("A hop was allowed that is to be refused.");
    return decision.denial;
  }

  /** @throws {AuthorizationDeniedError} when the policy cannot say. */
  visible(
    list: "tools" | "prompts",
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<VisibilityByName> {
    return this.session().visible({ server: this.server, list }, names, { signal, effects: this.effects });
  }

  #jointQuestion(
    { kind = `mcp_${this.server}`, action, attr = {}, schema, refuse }: Question,
    signal?: AbortSignal,
  ): JointQuestion {
    const options = { ...(signal && { signal }), ...(schema && { schema }), ...(refuse && { refuse }) };
    return { hop: { kind, action, attr }, options };
  }
}
