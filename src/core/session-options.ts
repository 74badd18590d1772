import * as z from "zod";
import { ConfigurationError } from "./errors";
import { aFunction } from "./option-types";
import { parseOptions } from "./options";
import {
  identifier,
  parseAgent,
  parseTask,
  type Agent,
  type AgentInput,
  type PrincipalInput,
  type Task,
  type TaskInput,
} from "./principal";

/** Who acts, for whom and on what: one run of an agent. */
export type SessionOptions = {
  /** The agent that acts. */
  readonly agent: AgentInput;
  /** What it was set to work on; policies bind calls to it, and it can be revoked. */
  readonly task?: TaskInput;
  /** Default: a random UUID. */
  readonly id?: string;
} & (
  | {
      /** On whose behalf the agent acts, on your word: take it from where it was verified, never from a request. */
      readonly principal: PrincipalInput;
      readonly token?: undefined;
    }
  | {
      /** Verified by the guard's `identity` on every hop. A function is asked on every hop and may renew it. */
      readonly token: string | (() => string | Promise<string>);
      readonly principal?: undefined;
    }
);

const sessionSchema = z.strictObject({
  principal: z.unknown().optional(),
  agent: z.unknown().optional(),
  task: z.unknown().optional(),
  token: z.union([z.string().min(1), aFunction<() => string | Promise<string>>()]).optional(),
  id: identifier.optional(),
});

/** The options as a session works with them: either a principal or a token. */
export interface ParsedSessionOptions {
  readonly id: string;
  readonly agent: Agent;
  readonly task: Task | undefined;
  readonly principal: PrincipalInput | undefined;
  readonly token: string | (() => string | Promise<string>) | undefined;
}

/** @throws {ConfigurationError} naming the wrong option. */
export function parseSessionOptions(given: unknown): ParsedSessionOptions {
  const parsed = parseOptions(sessionSchema, "session", given);
  const { principal, agent, task, token, id = crypto.randomUUID() } = parsed;
  const options = {
    id,
    agent: parseAgent(agent),
    task: task === undefined ? undefined : parseTask(task),
    token,
  };
  if ((principal === undefined) === (token === undefined)) {
    throw new ConfigurationError("session: give either principal or token");
  }
  return { ...options, principal: principal as PrincipalInput | undefined };
}
