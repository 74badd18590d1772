import { Client as Client2, StreamableHTTPClientTransport as Http2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Stage } from "./stage";

/** A client of either line of the SDK. None of them has a guard of its own. */
export interface OpenClient {
  /** Of the MCP session, where the server keeps one. */
  readonly sessionId: string | undefined;
  /** The names of the tools that it is shown. */
  tools(): Promise<readonly string[]>;
  call(name: string, args: object): Promise<unknown>;
}

/** Opens a server as whoever has the token. */
export async function openClient(
  { clients }: Pick<Stage, "clients">,
  line: 1 | 2,
  url: string,
  token: string,
): Promise<OpenClient> {
  const info = { name: "assistant", version: "1.0.0" };
  const options = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
  let client: Client1 | Client2;
  let transport: Http1 | Http2;
  if (line === 1) {
    client = new Client1(info);
    transport = new Http1(new URL(url), options);
    await client.connect(transport);
  } else {
    client = new Client2(info, { versionNegotiation: { mode: "auto" } });
    transport = new Http2(new URL(url), options);
    await client.connect(transport);
  }
  clients.push(client);
  return {
    get sessionId() {
      return transport.sessionId;
    },
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args) => client.callTool({ name, arguments: { ...args } }),
  };
}
