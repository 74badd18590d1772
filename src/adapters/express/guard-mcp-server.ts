import type { Guard } from "../../index";
import type { Admission } from "../mcp-server/admission";
import { serversBehind, type GuardedMcpServers } from "../mcp-server/guard-mcp-server";
import { McpFrontDoor } from "../mcp-server/front-door";
import type { CreateMcpServer, GuardMcpServerOptions } from "../mcp-server/options";
import { captureResponse, type CapturedResponse } from "./captured-response";
import type { ExpressRequest } from "./express-request";
import { incomingRequest, urlOf } from "./incoming-request";
import { goneSignal, type ExpressMiddleware } from "./middleware";

/** A guarded MCP server behind Express 5. */
export interface ExpressMcpServer<Create extends CreateMcpServer, Req extends ExpressRequest> extends Omit<
  GuardedMcpServers<Create>,
  "metadata"
> {
  /** Decides requests: `app.all("/mcp", guarded.handle, handler)`, before body parsers. */
  readonly handle: ExpressMiddleware<Req>;
  /** Answers requests for the metadata of the protected resource, wherever it is mounted, and leaves others alone: `app.use(guarded.metadata)`. */
  readonly metadata: ExpressMiddleware<Req>;
}

/**
 * Guards an MCP server where its requests arrive at Express 5; see `guardMcpServer` of `hopguard/mcp-server`. What may pass finds `req.auth` and the
 * message that was decided in `req.body`, both for the transport (`transport.handleRequest(req, res, req.body)`, `toNodeHandler(handler)(req, res, req.body)`), and
 * `req.hopguard`.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardMcpServer<Create extends CreateMcpServer, Req extends ExpressRequest = ExpressRequest>(
  guard: Guard,
  options: GuardMcpServerOptions<Req, Create>,
): ExpressMcpServer<Create, Req> {
  const door = new McpFrontDoor<Req>("guardMcpServer", guard, options);
  const { metadata, ...servers } = serversBehind<Create>(door);

  return {
    ...servers,
    handle: async function hopguard(req, res, next) {
      const signal = goneSignal(res);
      let admission: Admission | undefined;
      let captured: CapturedResponse | undefined;
      try {
        const admitted = await door.admit(incomingRequest(req, signal));
        captured = captureResponse(res);
        if (admitted instanceof Response) {
          await captured.send(admitted, false);
          return;
        }
        admission = admitted;
        admit(req, admitted);
        next();
        const answer = await captured.answer;
        const response = admitted.follow(answer);
        await captured.send(response, response.ok === answer.ok);
      } catch (error) {
        admission?.finish(500);
        // Nobody is there to be told, or what was begun can only be broken off.
        captured?.release();
        if (signal.aborted || res.headersSent) res.destroy();
        else next(error);
      }
    },
    metadata: async function hopguardMetadata(req, res, next) {
      const answer = metadata({ url: urlOf(req).href, method: req.method ?? "" });
      if (answer.status === 404) next();
      else await captureResponse(res).send(answer, false);
    },
  };
}

/** Gives the transport what it needs, and the handler what it may know. */
function admit(req: ExpressRequest, admission: Admission): void {
  const { context } = admission;
  req.body = context.parsedBody;
  Object.assign(req, { auth: context.authInfo });
  let request: Request | undefined;
  req.hopguard = {
    ...context,
    get request() {
      return (request ??= admission.request);
    },
  };
}
