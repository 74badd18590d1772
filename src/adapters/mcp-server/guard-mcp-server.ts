import type { Guard, MaybePromise } from "../../index";
import { incomingRequest } from "../http/front-door";
import type { McpRequestContext } from "./admission";
import { McpFrontDoor } from "./front-door";
import type { CreateMcpServer, GuardMcpServerOptions } from "./options";
import { resourceMetadata } from "./resource-metadata";
import type { AnyMcpServer } from "./server-transport";

/** What answers a request that was let past: the transport, or the handler, of an SDK. */
export type McpRequestHandler = (request: Request, context: McpRequestContext) => MaybePromise<Response>;

/** What every shell has, whatever the framework. */
export interface GuardedMcpServers<Create extends CreateMcpServer> {
  /** Makes a server whose transport is guarded in place when it is connected: for `createMcpHandler` of SDK 2, or `(await create()).connect(transport)`. */
  readonly create: (...args: Parameters<Create>) => Promise<Awaited<ReturnType<Create>>>;
  /** Connects a server that was made elsewhere to a transport, which is guarded in place. */
  readonly connect: <Server extends AnyMcpServer>(
    server: Server,
    transport: Parameters<Server["connect"]>[0],
  ) => Promise<void>;
  /**
   * Answers a request for the metadata of the protected resource, at `/.well-known/oauth-protected-resource` and the path of `resource`; 404 for any
   * other. For anybody to read, browsers included.
   *
   * @see RFC 9728
   */
  readonly metadata: (request: Pick<Request, "method" | "url">) => Response;
}

/** A guarded MCP server, on the web's own `Request` and `Response`. */
export interface GuardedMcpServer<Create extends CreateMcpServer> extends GuardedMcpServers<Create> {
  /** Answers a request: by the handler if it may pass, else by itself. It rejects with what the handler throws. */
  readonly handle: (request: Request, handler: McpRequestHandler) => Promise<Response>;
}

/**
 * Guards an MCP server where its requests arrive. Each is read strictly and decided for whoever sends it before anything of the server's runs; what
 * the server answers is reviewed before it is sent, or kept for a client that comes back.
 *
 * ```ts
 * const guarded = guardMcpServer(guard, { server: "payments", create, agent: { id: "assistant" }, resource });
 * const mcp = createMcpHandler(guarded.create);
 * export default { fetch: (request) => guarded.handle(request, (passed, { authInfo, parsedBody }) => mcp.fetch(passed, { authInfo, parsedBody })) };
 * ```
 *
 * Both halves are needed, and a transport takes no message that did not come by way of `handle`. A denied request is answered with HTTP 200 and the denial
 * as `guardTransport` would answer it, nobody with 401 and where to get a token, somebody else's MCP session with 404 like one that does not
 * exist. Use one for a server: it keeps its sessions.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardMcpServer<Create extends CreateMcpServer>(
  guard: Guard,
  options: GuardMcpServerOptions<Request, Create>,
): GuardedMcpServer<Create> {
  const door = new McpFrontDoor<Request>("guardMcpServer", guard, options);
  return {
    ...serversBehind<Create>(door),
    handle: async (request, handler) => {
      const admission = await door.admit(incomingRequest(request, request, ""));
      if (admission instanceof Response) return admission;
      try {
        return admission.follow(await handler(admission.request, admission.context));
      } catch (error) {
        admission.finish(500);
        throw error;
      }
    },
  };
}

/** What does not depend on the framework. */
export function serversBehind<Create extends CreateMcpServer>({
  settings,
  transports,
}: Pick<McpFrontDoor<never>, "settings" | "transports">): GuardedMcpServers<Create> {
  const create = settings.create as unknown as (
    ...args: Parameters<Create>
  ) => Promise<Awaited<ReturnType<Create>> & AnyMcpServer>;
  return {
    create: async (...args) => transports.guardServer(await create(...args)),
    connect: async (server, transport) => {
      transports.guardTransport(transport);
      await server.connect(transport);
    },
    metadata: (request) => resourceMetadata(settings, request),
  };
}
