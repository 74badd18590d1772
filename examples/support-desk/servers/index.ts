import { createMcpHandler } from "@modelcontextprotocol/server";
import { createCrmServer } from "./crm";
import { createDesk, type Desk } from "./desk-data";
import { startMcpServer, type RunningMcpServer } from "./mcp-http";
import { sessionEndpoint } from "./mcp-sessions";
import { createPaymentsServer } from "./payments";
import { createPayrollServer } from "./payroll";
import { createTicketsServer } from "./tickets";

export { createDesk, type Desk } from "./desk-data";
export type { ReceivedMessage, RunningMcpServer } from "./mcp-http";

/** The support desk's four MCP servers, and the data behind them. */
export interface SupportDeskServers extends AsyncDisposable {
  readonly tickets: RunningMcpServer;
  readonly crm: RunningMcpServer;
  readonly payments: RunningMcpServer;
  readonly payroll: RunningMcpServer;
  readonly desk: Desk;
  /** Stops all four. */
  stop(): Promise<void>;
}

/**
 * Starts the four servers on loopback. Tickets and crm keep sessions, on SDK 1; payments and payroll are stateless, on
 * SDK 2, and speak revision 2026-07-28 and the ones before it.
 */
export async function startServers(desk: Desk = createDesk()): Promise<SupportDeskServers> {
  const [tickets, crm, payments, payroll] = await Promise.all([
    startMcpServer(sessionEndpoint(() => createTicketsServer(desk))),
    startMcpServer(sessionEndpoint(() => createCrmServer(desk))),
    startMcpServer(createMcpHandler(() => createPaymentsServer(desk))),
    startMcpServer(createMcpHandler(() => createPayrollServer(desk))),
  ]);
  const stop = async () => {
    await Promise.all([tickets, crm, payments, payroll].map((server) => server.stop()));
  };
  return { tickets, crm, payments, payroll, desk, stop, [Symbol.asyncDispose]: stop };
}
