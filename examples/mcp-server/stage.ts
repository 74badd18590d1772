import { createServer, type RequestListener } from "node:http";
import { createGuard, type AuditRecord, type Guard, type GuardOptions } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { getRequestListener } from "@hono/node-server";
import { openLogin, type Login } from "../shared/login";
import { listening, type LoopbackServer } from "../shared/serve";
import { createDesk, type Desk } from "../support-desk/servers/desk-data";
import { createApp as createExpressApp } from "./express-app";
import { createApp as createWebApp } from "./web-app";

/** What an app is given by whoever runs it. */
export interface AppSettings {
  readonly guard: Guard;
  /** The server's own URL: what tokens are for. */
  readonly resource: string;
  /** Who issues them. */
  readonly issuer: string;
  readonly desk: Desk;
}

/** An MCP server, and the data behind it. */
export interface PaymentsServer {
  readonly url: string;
  readonly desk: Desk;
}

/** Everything that the story plays on. */
export interface Stage {
  readonly login: Login;
  readonly express: PaymentsServer;
  readonly web: PaymentsServer;
  /** Every client that was opened here, to be closed with it. */
  readonly clients: { close(): Promise<void> }[];
  stop(): Promise<void>;
}

export interface StageOptions {
  /** Sees each decision as it is recorded. */
  readonly onRecord: (record: AuditRecord) => void;
  /** Makes the guards. Tests make ones that lack something, and the story must notice. Default: `createGuard`. */
  readonly newGuard?: (options: GuardOptions) => Guard;
}

export async function openStage({ onRecord, newGuard = createGuard }: StageOptions): Promise<Stage> {
  const pdp = await startPdp({ policies: new URL("policies", import.meta.url) });
  // Long, because the machine that this runs on may be busy.
  const patience = { timeoutMs: 10_000 };
  const decisions = cerbos(pdp.url, patience);
  const login = await openLogin();
  const servers: LoopbackServer[] = [];
  const clients: Stage["clients"] = [];

  const start = async (listener: (settings: AppSettings) => RequestListener): Promise<PaymentsServer> => {
    const server = createServer();
    const at = await listening(server.listen(0, "127.0.0.1"));
    servers.push(at);
    const url = `${at.url}/mcp`;
    const desk = createDesk();
    // A token is for this server, or it proves nothing here.
    const identity = login.identityFor(url);
    const guard = newGuard({ ...patience, pdp: decisions, identity, audit: onRecord });
    server.on("request", listener({ guard, resource: url, issuer: login.issuer, desk }));
    return { url, desk };
  };

  return {
    login,
    clients,
    express: await start(createExpressApp),
    web: await start((settings) => getRequestListener(createWebApp(settings))),
    stop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      decisions.close();
      await Promise.all([pdp.stop(), ...servers.map((server) => server.stop())]);
    },
  };
}
