import * as z from "zod";
import { AuthorizationDeniedError, ConfigurationError } from "../../core/errors";
import { aFunction, objectWith } from "../../core/option-types";
import { parseOptions } from "../../core/options";
import { parseActingAgent } from "../../core/session-options";
import type { AgentInput, Guard, MaybePromise, Session, SessionOptions } from "../../index";

/** Who asks. `Source` is what the framework hands a handler: the web's `Request`, Express' `req`, Hono's context. */
export interface CallerOptions<Source> {
  /**
   * The agent that calls, where the bearer token says only for whom: a fixed one, or what you make of the request (an agent's own token in a
   * header of its own, say). It needs the guard's `identity`, which verifies the token.
   */
  readonly agent?: AgentInput | ((source: Source) => MaybePromise<AgentInput>);
  /**
   * Says who asks, in place of the bearer token: the options of a session, out of what your platform has verified. `undefined`, and a function that
   * throws: nobody, who is answered with 401. Take nothing from the request that nobody has verified, the session's `id` included.
   */
  readonly identify?: (source: Source) => MaybePromise<SessionOptions | undefined>;
}

/** Opens a session for whoever sent a request. @throws {AuthorizationDeniedError} where that is nobody. */
export type OpenSession<Source, Opened = Session> = (headers: Headers, source: Source) => Promise<Opened>;

const callerSchema = z.strictObject({ agent: z.unknown().optional(), identify: aFunction().optional() });

/** @throws {ConfigurationError} naming the wrong option. */
export function sessionOpener<Source>(
  caller: string,
  guard: Guard,
  options: CallerOptions<Source>,
): OpenSession<Source>;
/** @param open - makes of the options what is wanted, the session among it. */
export function sessionOpener<Source, Opened>(
  caller: string,
  guard: Guard,
  options: CallerOptions<Source>,
  open: (options: SessionOptions) => Promise<Opened>,
): OpenSession<Source, Opened>;
export function sessionOpener<Source>(
  caller: string,
  guard: Guard,
  options: CallerOptions<Source>,
  open: (options: SessionOptions) => Promise<unknown> = (options) => guard.session(options),
): OpenSession<Source, unknown> {
  parseOptions(objectWith("session", "revoke", "restore"), `${caller}.guard`, guard);
  parseOptions(callerSchema, caller, options);
  const { agent, identify } = options;
  if ((agent === undefined) === (identify === undefined)) {
    throw new ConfigurationError(
      `${caller}: give either \`agent\`, for callers with a bearer token, or \`identify\``,
    );
  }
  // Now, because a wrong one makes nobody of every caller.
  if (agent !== undefined && typeof agent !== "function") parseActingAgent(agent, `${caller}.agent`);
  const whoAsks = identify ?? (agent && bearerOf(agent));

  return async (headers, source) => {
    try {
      const options = await whoAsks?.(source, headers);
      if (options !== undefined) return await open(options);
    } catch (error) {
      if (AuthorizationDeniedError.isInstance(error)) throw error;
      // What is wrong with the function, or with what it answered, is for the operator to read.
      return refuseNobody(guard, error instanceof Error ? error.message : String(error));
    }
    return refuseNobody(guard, "the request says nothing of who asks");
  };
}

/** RFC 6750, section 2.1. Two tokens are none: nobody knows which one counts. */
const BEARER = /^Bearer +([\w.~+/-]+=*)$/i;

function bearerOf<Source>(agent: Required<CallerOptions<Source>>["agent"]) {
  return async (source: Source, headers: Headers): Promise<SessionOptions | undefined> => {
    const token = BEARER.exec(headers.get("authorization") ?? "")?.[1];
    if (token === undefined) return undefined;
    return { token, agent: typeof agent === "function" ? await agent(source) : agent };
  };
}

const NOBODY = {
  principal: { id: "unknown", roles: ["unknown"] },
  agent: { id: "unknown" },
  task: { id: "unknown" },
};

/** Whoever is nobody leaves a record, too. */
async function refuseNobody(guard: Guard, detail: string): Promise<never> {
  const nobody = await guard.session(NOBODY);
  const hop = { kind: "session", action: "open" };
  await nobody.authorize(hop, { refuse: { code: "unauthenticated", detail } });
  throw new Error("A hop was allowed that is to be refused.");
}
