import type { Guard, Session, SessionOptions } from "../../index";
import type { TokenSource } from "../../core/principal";

/** The newest tokens of a caller. The guard verifies them on every hop. */
interface Tokens {
  subject: TokenSource | undefined;
  agent: TokenSource | undefined;
}

/** Whoever sent a request, as far as that is proven. */
export class Caller {
  /** The session as it was last seen by somebody. Most requests bring the same tokens, and what hangs on a session goes on. */
  #seen: { readonly by: Tokens; readonly session: Session } | undefined;

  private constructor(
    private readonly guard: Guard,
    private readonly options: SessionOptions,
    private readonly tokens: Tokens,
    readonly session: Session,
  ) {}

  /** @throws {AuthorizationDeniedError} for a token that proves nothing. */
  static async of(guard: Guard, options: SessionOptions): Promise<Caller> {
    const tokens = tokensOf(options);
    return new Caller(guard, options, tokens, await guard.session(renewable(options, tokens)));
  }

  /** Whose MCP sessions are theirs: the principal's, as this issuer names it, with this agent, on this delegation. */
  get key(): string {
    const { principal, auth, agent, delegation } = this.session;
    return JSON.stringify([principal.id, auth.issuer ?? null, agent, delegation ?? null]);
  }

  get newest(): Tokens {
    return { ...this.tokens };
  }

  /** The bearer token, where there is one. */
  get token(): string {
    return typeof this.tokens.subject === "string" ? this.tokens.subject : "";
  }

  /** Has the session asked with the tokens of one request, which it reads within the call: another request may have brought others since. */
  askWith<T>(tokens: Tokens, ask: (session: Session) => T): T {
    const newest = this.newest;
    Object.assign(this.tokens, tokens);
    try {
      return ask(this.session);
    } finally {
      Object.assign(this.tokens, newest);
    }
  }

  /** The session as it is for one request, whoever sends others meanwhile: that of the principal whom it has proven, asked with its tokens. */
  sessionFor(sender: Caller): Session {
    const by = sender.newest;
    const seen = this.#seen;
    if (seen && seen.by.subject === by.subject && seen.by.agent === by.agent) return seen.session;
    const session = this.#askedBy(sender);
    this.#seen = { by, session };
    return session;
  }

  #askedBy({ newest, session: { principal, auth } }: Caller): Session {
    const members = Object.entries(this.session).map(([name, value]: [string, unknown]) => {
      if (typeof value !== "function") return [name, value] as const;
      const ask = (...args: unknown[]): unknown =>
        this.askWith(newest, () => Reflect.apply(value, undefined, args) as unknown);
      return [name, ask] as const;
    });
    return Object.freeze({ ...Object.fromEntries(members), principal, auth }) as unknown as Session;
  }

  /**
   * The same caller, who has sent another request: the session stays, and what it has counted, with the newer tokens. What your word says of the caller
   * may have changed (roles, say): then it goes on in a session of the same id.
   */
  async renewedBy(newer: Caller): Promise<Caller> {
    if (saidOf(this.options) === saidOf(newer.options)) {
      Object.assign(this.tokens, newer.tokens);
      return this;
    }
    if (newer.options.delegation !== undefined) return newer;
    const options = { ...newer.options, id: this.session.id };
    const session = await this.guard.session(renewable(options, newer.tokens));
    return new Caller(this.guard, newer.options, newer.tokens, session);
  }
}

function tokensOf({ token, agent }: SessionOptions): Tokens {
  return { subject: token, agent: "token" in agent ? agent.token : undefined };
}

function renewable(options: SessionOptions, tokens: Tokens): SessionOptions {
  if (options.delegation !== undefined) return options;
  const { token: ownToken, ...agent } = options.agent;
  const renewed = {
    ...options,
    agent: { ...agent, ...(ownToken !== undefined && { token: () => newest(tokens.agent) }) },
  };
  return renewed.token === undefined ? renewed : { ...renewed, token: () => newest(tokens.subject) };
}

function newest(source: TokenSource | undefined): string | Promise<string> {
  return typeof source === "function" ? source() : (source ?? "");
}

/** What was said beside tokens and the session's id. */
function saidOf({ token: _, id: __, agent, ...rest }: SessionOptions): string {
  return JSON.stringify([rest, { ...agent, token: undefined }]);
}
