import * as z from "zod";
import { ConfigurationError } from "./errors";
import { aFunction } from "./option-types";
import { parseOptions } from "./options";
import {
  identifier,
  parseAgent,
  parsePrincipal,
  parseTask,
  type Agent,
  type AgentInput,
  type PrincipalInput,
  type Task,
  type TaskInput,
  type TokenSource,
} from "./principal";

/** Who acts, for whom and on what: one run of an agent. */
export type SessionOptions =
  | ({
      /** The agent that acts. */
      readonly agent: AgentInput;
      /** What it was set to work on; policies bind calls to it, and it can be revoked. */
      readonly task?: TaskInput;
      /** Default: a random UUID. */
      readonly id?: string;
      readonly delegation?: undefined;
    } & (
      | {
          /** On whose behalf the agent acts, on your word: take it from where it was verified, never from a request. */
          readonly principal: PrincipalInput;
          readonly token?: undefined;
        }
      | {
          /** Verified by the guard's `identity` on every hop. A function is asked on every hop and may renew it. */
          readonly token: TokenSource;
          readonly principal?: undefined;
        }
    ))
  | {
      /**
       * What another process has delegated to an agent here (`delegationToken` of the child session): it says for whom this agent acts and on
       * what. Verified by the guard's `delegation.tokens`.
       */
      readonly delegation: string;
      /** The agent that takes it up. What was delegated to another is refused. */
      readonly agent: Pick<AgentInput, "id" | "harness" | "version">;
      readonly task?: undefined;
      readonly id?: undefined;
      readonly principal?: undefined;
      readonly token?: undefined;
    };

const tokenSource = z.union([z.string().min(1), aFunction<() => string | Promise<string>>()]);
const sessionSchema = z.strictObject({
  principal: z.unknown().optional(),
  agent: z.unknown().optional(),
  task: z.unknown().optional(),
  token: tokenSource.optional(),
  id: identifier.optional(),
  delegation: z.string().min(1).optional(),
});

/** A session of the user's own agent: either for a principal, or for whom a token speaks. */
export interface OwnRun {
  readonly delegation?: undefined;
  readonly id: string;
  readonly agent: Agent;
  readonly task: Task | undefined;
  readonly principal: PrincipalInput | undefined;
  readonly tokens: { readonly subject: TokenSource | undefined; readonly agent: TokenSource | undefined };
}

/** A session of an agent that was delegated to in another process. */
export interface TakenUp {
  readonly delegation: string;
  readonly agent: Agent;
}

/** @throws {ConfigurationError} naming the wrong option. */
export function parseSessionOptions(given: unknown): OwnRun | TakenUp {
  const parsed = parseOptions(sessionSchema, "session", given);
  const { principal, task, token, delegation, id = crypto.randomUUID() } = parsed;
  if (delegation !== undefined) {
    const others = Object.keys(parsed).filter((name) => name !== "delegation" && name !== "agent");
    if (others.length > 0)
      throw new ConfigurationError(`session.${others.join(", session.")}: the delegation says that already`);
    const { agent, agentToken } = parseActingAgent(parsed.agent);
    if (agentToken !== undefined || agent.roles.length > 0 || Object.keys(agent.attr).length > 0)
      throw new ConfigurationError(
        "session.agent: of an agent that takes up a delegation, give id, harness and version",
      );
    return { delegation, agent };
  }
  if ((principal === undefined) === (token === undefined)) {
    throw new ConfigurationError("session: give either principal or token, or a delegation");
  }
  const { agent, agentToken } = parseActingAgent(parsed.agent);
  return {
    id,
    agent,
    task: task === undefined ? undefined : parseTask(task),
    principal: principal === undefined ? undefined : parsePrincipal(principal),
    tokens: { subject: token, agent: agentToken },
  };
}

/**
 * @param name - what the one who gave it calls it.
 * @throws {ConfigurationError} naming the field.
 */
export function parseActingAgent(
  given: unknown,
  name?: string,
): { agent: Agent; agentToken: TokenSource | undefined } {
  if (typeof given !== "object" || given === null)
    return { agent: parseAgent(given, name), agentToken: undefined };
  const { token, ...rest } = given as AgentInput;
  if (token === undefined) return { agent: parseAgent(rest, name), agentToken: undefined };
  for (const name of ["roles", "attr"] as const)
    if (rest[name] !== undefined)
      throw new ConfigurationError(`session.agent.${name}: the agent's own token says it`);
  return {
    agent: parseAgent(rest, name),
    agentToken: parseOptions(tokenSource, "session.agent.token", token),
  };
}
