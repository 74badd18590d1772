import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";

/**
 * Finds out where the guard is made, and not at the first call, that somebody passed no session, or forgot to await one.
 *
 * @throws {ConfigurationError}
 */
export function assertSession(caller: string, session: unknown): asserts session is Session {
  if (typeof (session as Partial<Session> | undefined | null)?.check === "function") return;
  throw new ConfigurationError(`${caller}: expected a session, as \`await guard.session(…)\` makes one`);
}
