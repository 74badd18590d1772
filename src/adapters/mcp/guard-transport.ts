import type { Session } from "../../index";
import { assertSession } from "../shared/assert-session";
import { guardProcessTransport, isProcessTransport } from "./guard-process-transport";
import { GuardedClientTransport } from "./guarded-client-transport";
import { readOptions, type GuardTransportOptions } from "./options";
import type { AnyClientTransport, ClientTransport, GuardedTransport } from "./transport";

/**
 * Puts the policy in front of an MCP server: what the returned transport sends, and what it lets the client see, has been decided first.
 *
 * ```ts
 * await client.connect(guardTransport(new StreamableHTTPClientTransport(url), session, { server: "payments" }));
 * ```
 *
 * A denied server is never reached: `connect` rejects with `AuthorizationDeniedError`. A denied tool call is answered with a result
 * that is an error and that the model can read, anything else with a JSON-RPC error; `findDenial` finds the denial in both. Lists show
 * the tools that the session's principal may use. It serves client transports of `@modelcontextprotocol/sdk` 1 and
 * `@modelcontextprotocol/client` 2; the given transport is to be used through the returned one only.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardTransport<T extends AnyClientTransport>(
  transport: T,
  session: Session,
  options: GuardTransportOptions,
): GuardedTransport<T> {
  assertSession("guardTransport", session);
  const settings = readOptions(options);
  const inner = transport as unknown as ClientTransport;
  const guarded = isProcessTransport(inner)
    ? guardProcessTransport(inner, session, settings)
    : new GuardedClientTransport(inner, session, settings);
  return guarded as unknown as GuardedTransport<T>;
}
