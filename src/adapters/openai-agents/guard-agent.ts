import type { Session } from "../../core/session";
import { assertSession } from "../shared/assert-session";
import { assertAgent, framework, type SdkAgent } from "./framework";
import { GuardedGraph } from "./guarded-graph";
import { readOptions, type GuardAgentOptions } from "./options";

/**
 * A guarded copy of an agent of the OpenAI Agents SDK 0.5 to 0.20, and with it of every agent that it hands work to: their models, tools, MCP
 * servers and handoffs are decided on behalf of the session, in whatever runner and with whatever configuration they are run. The agent that is
 * passed in stays as it was, and unguarded: run the copy, and resume saved runs with the copy.
 *
 * @throws {ConfigurationError} naming the wrong option, or what of the agent could not be guarded.
 */
export function guardAgent<A extends SdkAgent>(agent: A, session: Session, options: GuardAgentOptions): A {
  const sdk = framework("guardAgent");
  const settings = readOptions("guardAgent", options);
  assertSession("guardAgent", session);
  assertAgent("guardAgent", sdk, agent);
  return GuardedGraph.guard(sdk, agent, session, settings) as A;
}
