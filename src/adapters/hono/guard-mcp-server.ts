import type { Context, MiddlewareHandler } from "hono";
import type { Guard } from "../../index";
import type { McpRequestContext } from "../mcp-server/admission";
import { McpFrontDoor } from "../mcp-server/front-door";
import { serversBehind, type GuardedMcpServers } from "../mcp-server/guard-mcp-server";
import type { CreateMcpServer, GuardMcpServerOptions } from "../mcp-server/options";
import { answerWith, incoming } from "./middleware";

/** A guarded MCP server behind Hono 4. */
export interface HonoMcpServer<Create extends CreateMcpServer> extends Omit<
  GuardedMcpServers<Create>,
  "metadata"
> {
  /** Decides requests: `app.all("/mcp", guarded.handle, (c) => …)`. */
  readonly handle: MiddlewareHandler<{ Variables: { hopguard: McpRequestContext } }>;
  /** Answers requests for the metadata of the protected resource, and leaves others alone: `app.use(guarded.metadata)`. */
  readonly metadata: MiddlewareHandler;
}

/**
 * Guards an MCP server where its requests arrive at Hono 4; see `guardMcpServer` of `hopguard/mcp-server`. What may pass finds `authInfo` and `parsedBody`, both for
 * the transport, in `c.var.hopguard`: `transport.handleRequest(c.req.raw, c.var.hopguard)`, `handler.fetch(c.req.raw, c.var.hopguard)`.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardMcpServer<Create extends CreateMcpServer>(
  guard: Guard,
  options: GuardMcpServerOptions<Context, Create>,
): HonoMcpServer<Create> {
  const door = new McpFrontDoor<Context>("guardMcpServer", guard, options);
  const { metadata, ...servers } = serversBehind<Create>(door);

  return {
    ...servers,
    handle: async function hopguard(c, next) {
      const admission = await door.admit(incoming(c as Context));
      if (admission instanceof Response) return admission;
      try {
        c.req.raw = admission.request;
        // Hono reads a body once, and remembers what it was.
        c.req.bodyCache = {};
        c.set("hopguard", admission.context);
        await next();
        answerWith(c as Context, admission.follow(c.res));
      } catch (error) {
        admission.finish(500);
        throw error;
      }
      return undefined;
    },
    metadata: async function hopguardMetadata(c, next) {
      const answer = metadata(c.req.raw);
      if (answer.status !== 404) return answer;
      await next();
      return undefined;
    },
  };
}
