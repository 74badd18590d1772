import {
  Client as Client2,
  StreamableHTTPClientTransport as HttpTransport2,
  type ClientOptions as Options2,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1, type ClientOptions as Options1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpTransport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Session } from "hopguard";
import { guardTransport, type GuardTransportOptions } from "hopguard/mcp";
import { onTestFinished } from "vitest";
import { fixture } from "./fixtures";

export type AnyMcpClient = Client1 | Client2;

/** What a client and its transports are made of, in a version of the SDK. */
interface McpSdk<Client, Http, Stdio> {
  readonly Client: Client;
  readonly StreamableHTTPClientTransport: Http;
  readonly StdioClientTransport: Stdio;
}
type Sdk1 = McpSdk<typeof Client1, typeof HttpTransport1, typeof Stdio1>;
type Sdk2 = McpSdk<typeof Client2, typeof HttpTransport2, typeof Stdio2>;

export const sdk1: Sdk1 = {
  Client: Client1,
  StreamableHTTPClientTransport: HttpTransport1,
  StdioClientTransport: Stdio1,
};
export const sdk2: Sdk2 = {
  Client: Client2,
  StreamableHTTPClientTransport: HttpTransport2,
  StdioClientTransport: Stdio2,
};

const oldest = fixture("oldest-sdks");
/** The names of several of its modules together, typed by the newest. */
const oldestOf = (...modules: readonly string[]): unknown =>
  Object.assign({}, ...modules.map((module) => oldest(module) as object));

export const oldestSdk1 = oldestOf(
  "@modelcontextprotocol/sdk/client/index.js",
  "@modelcontextprotocol/sdk/client/streamableHttp.js",
  "@modelcontextprotocol/sdk/client/stdio.js",
) as Sdk1;
export const oldestSdk2 = oldestOf(
  "@modelcontextprotocol/client",
  "@modelcontextprotocol/client/stdio",
) as Sdk2;

const info = { name: "hopguard-test", version: "1.0.0" };

async function opened<C extends AnyMcpClient>(client: C, connect: () => Promise<void>): Promise<C> {
  onTestFinished(() => client.close());
  await connect();
  return client;
}

export async function connect1(
  url: string,
  session: Session,
  options: GuardTransportOptions,
  clientOptions: Options1 = {},
  { Client, StreamableHTTPClientTransport }: Sdk1 = sdk1,
): Promise<Client1> {
  const client = new Client(info, clientOptions);
  const transport = new StreamableHTTPClientTransport(new URL(url));
  return opened(client, () => client.connect(guardTransport(transport, session, options)));
}

export async function connect2(
  url: string,
  session: Session,
  options: GuardTransportOptions,
  clientOptions: Options2 = {},
  { Client, StreamableHTTPClientTransport }: Sdk2 = sdk2,
): Promise<Client2> {
  const client = new Client(info, clientOptions);
  const transport = new StreamableHTTPClientTransport(new URL(url));
  return opened(client, () => client.connect(guardTransport(transport, session, options)));
}

/** Opens a server at a URL with a guarded transport, and closes the client with the test. */
type Connect = (url: string, session: Session, options: GuardTransportOptions) => Promise<AnyMcpClient>;

/** Calls a tool; the two lines of the SDK take a call's options in different places. */
type CallTool = (
  client: AnyMcpClient,
  call: { readonly name: string; readonly arguments: Record<string, unknown> },
  options?: { readonly signal: AbortSignal },
) => Promise<unknown>;

interface McpClient {
  readonly name: string;
  readonly connect: Connect;
  readonly callTool: CallTool;
}

const line1 = (name: string, sdk?: Sdk1): McpClient => ({
  name,
  connect: (url, session, options) => connect1(url, session, options, {}, sdk),
  callTool: (client, call, options) => (client as Client1).callTool(call, undefined, options),
});

const line2 = (name: string, clientOptions: Options2, sdk?: Sdk2): McpClient => ({
  name,
  connect: (url, session, options) => connect2(url, session, options, clientOptions, sdk),
  callTool: (client, call, options) => (client as Client2).callTool(call, options),
});

const NEGOTIATING: Options2 = { versionNegotiation: { mode: "auto" } };

/** The three ways to connect that users have, each with the oldest and the newest version that there is of it. */
export const MCP_CLIENTS: readonly McpClient[] = [
  line1("client 1.10", oldestSdk1),
  line1("client 1.x"),
  line2("client 2.0", {}, oldestSdk2),
  line2("client 2.x", {}),
  line2("client 2.0 on revision 2026-07-28", NEGOTIATING, oldestSdk2),
  line2("client 2.x on revision 2026-07-28", NEGOTIATING),
];
