import type { IncomingMessage } from "node:http";
import type { RequestContext } from "../http/request-guard";

/** `req.hopguard`: what a guard in front of a handler has found out. */
export interface ExpressContext extends RequestContext {
  /**
   * The web's request with what was checked, for whoever forwards it: `fetch(new Request(upstream, req.hopguard.request))`. Its host is `localhost`, because the
   * one of `req` is the caller's word. Made when it is first asked for; that of `authorize` has no body, which is in `req`.
   */
  readonly request: Request;
}

/** What the guards use of a request of Express 5, described by its structure. */
export interface ExpressRequest extends IncomingMessage {
  readonly baseUrl: string;
  body?: unknown;
  hopguard?: ExpressContext;
}

declare global {
  // The name that Express' own types are open under.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      hopguard?: ExpressContext;
    }
  }
}
