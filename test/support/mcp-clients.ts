import {
  Client as Client2,
  StreamableHTTPClientTransport as HttpTransport2,
  type ClientOptions as Options2,
} from "@modelcontextprotocol/client";
import { Client as Client1, type ClientOptions as Options1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HttpTransport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Session } from "hopguard";
import { guardTransport, type GuardTransportOptions } from "hopguard/mcp";
import { onTestFinished } from "vitest";

const info = { name: "hopguard-test", version: "1.0.0" };

/** Opens a server at a URL with a guarded transport, and closes the client with the test. */
type Connect = (url: string, session: Session, options: GuardTransportOptions) => Promise<Client1 | Client2>;

async function opened<C extends Client1 | Client2>(client: C, connect: () => Promise<void>): Promise<C> {
  onTestFinished(() => client.close());
  await connect();
  return client;
}

export async function connect1(
  url: string,
  session: Session,
  options: GuardTransportOptions,
  clientOptions: Options1 = {},
): Promise<Client1> {
  const client = new Client1(info, clientOptions);
  return opened(client, () =>
    client.connect(guardTransport(new HttpTransport1(new URL(url)), session, options)),
  );
}

export async function connect2(
  url: string,
  session: Session,
  options: GuardTransportOptions,
  clientOptions: Options2 = {},
): Promise<Client2> {
  const client = new Client2(info, clientOptions);
  return opened(client, () =>
    client.connect(guardTransport(new HttpTransport2(new URL(url)), session, options)),
  );
}

/** The three ways to connect that users have. */
export const MCP_CLIENTS: readonly { readonly name: string; readonly connect: Connect }[] = [
  { name: "client 1.x", connect: connect1 },
  { name: "client 2.x", connect: connect2 },
  {
    name: "client 2.x on revision 2026-07-28",
    connect: (url, session, options) =>
      connect2(url, session, options, { versionNegotiation: { mode: "auto" } }),
  },
];

export type AnyMcpClient = Client1 | Client2;
