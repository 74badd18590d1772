import { AuthorizationDeniedError } from "../../core/errors";
import type { Decision, Denial, Session, ToolEffect, VisibilityByName } from "../../index";
import type { Question, Refused } from "./question";

/** The policy of one server, asked on behalf of one session. */
export class ServerPolicy {
  constructor(
    private readonly session: Session,
    private readonly server: string,
    private readonly effects: Readonly<Record<string, ToolEffect>>,
  ) {}

  /** Decides one question. The arguments to send are those of the decision's hop. */
  check({ kind, action, attr = {}, schema, refuse }: Question, signal?: AbortSignal): Promise<Decision> {
    return this.session.check(
      { kind: kind ?? `mcp_${this.server}`, action, attr },
      { ...(signal && { signal }), ...(schema && { schema }), ...(refuse && { refuse }) },
    );
  }

  /** Decides several, asked together: the first denial, or else the first decision. */
  async checkAll(questions: readonly Question[], signal?: AbortSignal): Promise<Decision | undefined> {
    const decisions = await Promise.all(questions.map((question) => this.check(question, signal)));
    return decisions.find(({ effect }) => effect === "deny") ?? decisions[0];
  }

  /** @throws {AuthorizationDeniedError} for the first denial. */
  async authorizeAll(questions: readonly Question[], signal?: AbortSignal): Promise<void> {
    const decision = await this.checkAll(questions, signal);
    if (decision?.effect === "deny") throw new AuthorizationDeniedError(decision.denial);
  }

  /** The denial of what needs no asking. It is recorded like any other. */
  async deny(question: Refused): Promise<Denial> {
    const decision = await this.check(question);
    if (decision.effect === "allow") throw new Error("A hop was allowed that is to be refused.");
    return decision.denial;
  }

  /** @throws {AuthorizationDeniedError} when the policy cannot say. */
  visible(
    list: "tools" | "prompts",
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<VisibilityByName> {
    return this.session.visible({ server: this.server, list }, names, { signal, effects: this.effects });
  }
}
