import type { Session } from "../../index";
import type { Caller } from "./caller";

/** `AuthInfo` of both lines of the SDK: what a tool's handler finds of its caller. */
export interface AuthInfo {
  /** The bearer token, or `""` where the caller has none. */
  readonly token: string;
  /** The agent. */
  readonly clientId: string;
  /** None: what a caller may do, the policy says. */
  readonly scopes: string[];
  /** The server, where the option `resource` says what it is. */
  readonly resource?: URL;
  /** Who calls, as far as that is proven, and the guard's session. */
  readonly extra: {
    readonly principal: Session["principal"];
    readonly agent: string;
    readonly session: string;
  };
}

/** A new object each time, by which the guard finds what it has decided: nothing in it would do as a proof. */
export function authInfoOf({ token }: Caller, session: Session, resource: string | undefined): AuthInfo {
  const { principal, agent, id } = session;
  return {
    token,
    clientId: agent,
    scopes: [],
    ...(resource !== undefined && { resource: new URL(resource) }),
    extra: { principal, agent, session: id },
  };
}
