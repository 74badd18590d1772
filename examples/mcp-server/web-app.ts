import { createMcpHandler } from "@modelcontextprotocol/server";
import { guardMcpServer } from "hopguard/mcp-server";
import type { FetchHandler } from "../shared/serve";
import { createPaymentsServer } from "../support-desk/servers/payments";
import type { AppSettings } from "./stage";

/** The payments server on SDK 2, without sessions, for whatever speaks the web's `Request` and `Response`. */
export function createApp({ guard, resource, issuer, desk }: AppSettings): FetchHandler {
  const guarded = guardMcpServer(guard, {
    server: "payments",
    create: () => createPaymentsServer(desk),
    agent: { id: "assistant" },
    effects: { refund_issue: "destructive" },
    resource,
    authorizationServers: [issuer],
  });
  const mcp = createMcpHandler(guarded.create);

  return async (request) =>
    new URL(request.url).pathname === "/mcp"
      ? guarded.handle(request, (passed, { authInfo, parsedBody }) =>
          mcp.fetch(passed, { authInfo, parsedBody }),
        )
      : guarded.metadata(request);
}
