import { AuthorizationDeniedError } from "../../core/errors";
import type { Denial, DenyDecision, Session, ToolEffect, VisibilityByName } from "../../index";
import { checkTogether, type JointAllow, type JointQuestion } from "../shared/joint-decision";
import type { Question, Refused } from "./question";

/** Has the session asked, within the call, as it is for whoever sent a message. */
export type AsSender = <T>(ask: (session: Session) => T) => T;

/** The policy of one server, asked on behalf of one session. */
export class ServerPolicy {
  constructor(
    private readonly as: AsSender,
    private readonly server: string,
    private readonly effects: Readonly<Record<string, ToolEffect>>,
  ) {}

  /** The same policy, asked on behalf of the sender of one message. */
  of(sender: AsSender): ServerPolicy {
    return new ServerPolicy(sender, this.server, this.effects);
  }

  /** Decides several that stand or fall together. `undefined`: there was nothing to ask. */
  checkAll(
    questions: readonly Question[],
    signal?: AbortSignal,
  ): Promise<JointAllow | DenyDecision | undefined> {
    const joint = questions.map((question) => this.#jointQuestion(question, signal));
    return this.as((session) => checkTogether(session, joint));
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
    const decision = await this.as((session) => session.check(hop, options));
    if (decision.effect === "allow") throw new Error("A hop was allowed that is to be refused.");
    return decision.denial;
  }

  /** @throws {AuthorizationDeniedError} when the policy cannot say. */
  visible(
    list: "tools" | "prompts",
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<VisibilityByName> {
    const options = { signal, effects: this.effects };
    return this.as((session) => session.visible({ server: this.server, list }, names, options));
  }

  #jointQuestion(
    { kind = `mcp_${this.server}`, action, attr = {}, schema, refuse }: Question,
    signal?: AbortSignal,
  ): JointQuestion {
    const options = { ...(signal && { signal }), ...(schema && { schema }), ...(refuse && { refuse }) };
    return { hop: { kind, action, attr }, options };
  }
}
