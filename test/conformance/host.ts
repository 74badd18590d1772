import { fileURLToPath } from "node:url";
import type { McpServer } from "@modelcontextprotocol/server";
import { jsonLinesFile } from "hopguard/audit";
import { guardTransport } from "hopguard/mcp";
import { guardMcpServer } from "hopguard/mcp-server";
import { startPdp } from "hopguard/pdp";
import { startMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { relayEndpoint, type Wrap } from "./relays/relay";
import { everythingEndpoint, type Front } from "./servers/everything";
import { openGuard, PLAYER } from "./session";

/*
 * What the suite's runs share: the PDP, a server, two relays to it, and the same server with a guard in its own process. `<audit file>` is the only argument; a line of JSON says where they
 * are. It ends with the process that holds its standard input.
 */
const [auditFile = ""] = process.argv.slice(2);
const policies = fileURLToPath(new URL("policies", import.meta.url));
const pdp = await startPdp({ policies, watch: false });
const guard = openGuard(pdp.url, jsonLinesFile(auditFile));
const session = await guard.session(PLAYER);
const server = await startMcpServer(everythingEndpoint());

const asItIs: Wrap = (transport) => transport;
const guarded: Wrap = (transport) => guardTransport(transport, session, { server: "conformance" });

const inProcess = (create: () => McpServer): Front => {
  const guarded = guardMcpServer(guard, { server: "conformance", create, identify: () => PLAYER });
  return { create: guarded.create, handle: guarded.handle };
};

const relay = async (wrap: Wrap) => (await startMcpServer(relayEndpoint(new URL(server.url), wrap))).url;
const urls = {
  pdp: pdp.url,
  direct: server.url,
  inProcess: (await startMcpServer(everythingEndpoint(inProcess))).url,
  bare: await relay(asItIs),
  guarded: await relay(guarded),
};
console.log(JSON.stringify(urls));

process.stdin.resume().on("end", () => {
  void pdp.stop().finally(() => process.exit());
});
