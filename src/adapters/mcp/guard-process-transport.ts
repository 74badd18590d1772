import type { Session } from "../../index";
import { GuardedClientTransport } from "./guarded-client-transport";
import type { Settings } from "./options";
import type { ClientTransport } from "./transport";

/** SDK 2's own transport for processes, which can be made again from the parameters that it keeps. */
interface ProcessTransport extends ClientTransport {
  readonly _serverParams: unknown;
  _dispose(): Promise<void>;
  constructor: new (params: unknown) => ProcessTransport;
}

/** By the marks that SDK 2 goes by itself: a subclass has no `_dispose` of its own, and is never made again. */
export function isProcessTransport(transport: ClientTransport): transport is ProcessTransport {
  const prototype = Object.getPrototypeOf(transport) as object;
  return Object.hasOwn(prototype, "_dispose") && "_serverParams" in transport;
}

/**
 * Guards a transport of which SDK 2 makes a second one, by `new transport.constructor(params)`, in order to find out the server's
 * revision. That one is guarded too.
 */
export function guardProcessTransport(
  given: ProcessTransport,
  session: Session,
  settings: Settings,
): GuardedClientTransport {
  const ProcessTransport = given.constructor;
  class GuardedProcessTransport extends GuardedClientTransport {
    readonly _serverParams: unknown;
    readonly #inner: ProcessTransport;

    constructor(params: unknown, inner = new ProcessTransport(params)) {
      super(inner, session, settings);
      this._serverParams = params;
      this.#inner = inner;
    }

    _dispose(): Promise<void> {
      return this.#inner._dispose();
    }
  }
  return new GuardedProcessTransport(given._serverParams, given);
}
