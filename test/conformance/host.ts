import { fileURLToPath } from "node:url";
import { jsonLinesFile } from "hopguard/audit";
import { guardTransport } from "hopguard/mcp";
import { startPdp } from "hopguard/pdp";
import { startMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { relayEndpoint, type Wrap } from "./relays/relay";
import { everythingEndpoint } from "./servers/everything";
import { openSession } from "./session";

/*
 * What the suite's runs share: the PDP, a server, and two relays to it. `<audit file>` is the only argument; a line of JSON says where they
 * are. It ends with the process that holds its standard input.
 */
const [auditFile = ""] = process.argv.slice(2);
const policies = fileURLToPath(new URL("policies", import.meta.url));
const pdp = await startPdp({ policies, watch: false });
const session = await openSession(pdp.url, jsonLinesFile(auditFile));
const server = await startMcpServer(everythingEndpoint());

const asItIs: Wrap = (transport) => transport;
const guarded: Wrap = (transport) => guardTransport(transport, session, { server: "conformance" });

const relay = async (wrap: Wrap) => (await startMcpServer(relayEndpoint(new URL(server.url), wrap))).url;
const urls = { pdp: pdp.url, direct: server.url, bare: await relay(asItIs), guarded: await relay(guarded) };
console.log(JSON.stringify(urls));

process.stdin.resume().on("end", () => {
  void pdp.stop().finally(() => process.exit());
});
