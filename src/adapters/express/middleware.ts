import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ASSERTION_HEADER } from "../../core/assertion-places";
import { onAbort } from "../../core/on-abort";
import { toRequest, type CheckedRequest, type FrontDoor } from "../http/front-door";
import { DECISION_HEADER } from "../shared/model-api/denial-response";
import type { RequestContext } from "../http/request-guard";
import { captureResponse, type CapturedResponse } from "./captured-response";
import type { ExpressRequest } from "./express-request";
import { incomingRequest } from "./incoming-request";

/** A middleware of Express 5, described by its structure. */
export type ExpressMiddleware<Req extends ExpressRequest = ExpressRequest> = (
  req: Req,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>;

/** Puts a guard in front of the handlers behind the middleware, whose response goes through it. */
export function middleware<Req extends ExpressRequest>(frontDoor: FrontDoor<Req>): ExpressMiddleware<Req> {
  return async function hopguard(req, res, next) {
    const signal = goneSignal(res);
    let captured: CapturedResponse | undefined;
    let answer: Response | undefined;
    try {
      const response = await frontDoor(incomingRequest(req, signal), async (checked, context) => {
        admit(req, checked, context);
        captured = captureResponse(res);
        next();
        return (answer = await captured.answer);
      });
      captured ??= captureResponse(res);
      await captured.send(response, isFrom(answer, response));
    } catch (error) {
      // Nobody is there to be told, or what was begun can only be broken off.
      captured?.release();
      if (signal.aborted || res.headersSent) res.destroy();
      else next(error);
    }
  };
}

/** Whether it is what the handler has answered, and not a denial in its place. */
function isFrom(answer: Response | undefined, response: Response): boolean {
  return answer?.headers.get(DECISION_HEADER) === response.headers.get(DECISION_HEADER);
}

/** Aborted when whoever asked goes before the response has ended. */
export function goneSignal(res: ServerResponse): AbortSignal {
  const gone = new AbortController();
  const closed = (): void => {
    if (!res.writableFinished) gone.abort();
  };
  const connection = closeOf(res.req.socket);
  // What runs before the guard may take its time, and nobody is told twice that the connection has closed.
  if (res.destroyed || connection?.aborted) {
    closed();
    return gone.signal;
  }
  // A response that waits behind another one of its connection is not told when that closes.
  const letGo = onAbort(connection, closed);
  res.once("close", () => {
    letGo();
    closed();
  });
  return gone.signal;
}

const connections = new WeakMap<Socket, AbortSignal>();

/** Aborted when a connection closes, with one listener for however many requests. `undefined` for what stands for a connection where there is none. */
function closeOf(socket: Partial<Socket> | undefined): AbortSignal | undefined {
  if (typeof socket?.once !== "function") return undefined;
  const known = connections.get(socket as Socket);
  if (known) return known;
  const closed = new AbortController();
  if (socket.destroyed) closed.abort();
  else socket.once("close", () => closed.abort());
  connections.set(socket as Socket, closed.signal);
  return closed.signal;
}

/** Lets the handler see what was checked. */
function admit(req: ExpressRequest, checked: CheckedRequest, context: RequestContext): void {
  const { body, headers } = checked;
  req.body = body.kind === "json" ? body.value : body.kind === "form" ? body.form : undefined;
  replaceHeader(req, ASSERTION_HEADER, headers.get(ASSERTION_HEADER));
  tell(req, checked, context);
}

/** Sets `req.hopguard`. */
export function tell(req: ExpressRequest, checked: CheckedRequest, context: RequestContext): void {
  let request: Request | undefined;
  req.hopguard = {
    ...context,
    get request() {
      return (request ??= toRequest(checked));
    },
  };
}

function replaceHeader({ headers, rawHeaders }: ExpressRequest, name: string, value: string | null): void {
  for (let index = rawHeaders.length - 2; index >= 0; index -= 2) {
    if (rawHeaders[index]?.toLowerCase() === name) rawHeaders.splice(index, 2);
  }
  if (value === null) {
    Reflect.deleteProperty(headers, name);
    return;
  }
  headers[name] = value;
  rawHeaders.push(name, value);
}
