import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { fixture } from "../support/fixtures";

/** The reference server's program: `stdio` or `streamableHttp` is its argument. */
export const everythingScript = fixture("mcp-conformance").resolve(
  "@modelcontextprotocol/server-everything/dist/index.js",
);

/** A reference server that listens on loopback. */
export interface EverythingServer {
  readonly url: URL;
  readonly stop: () => void;
}

export async function startEverything(): Promise<EverythingServer> {
  const port = await freePort();
  const child = spawn(process.execPath, [everythingScript, "streamableHttp"], {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Its only line, or what keeps it from starting.
  const [said] = (await once(child.stderr, "data")) as [Buffer];
  if (!said.includes(String(port)))
    throw new Error(`The reference server does not listen: ${said.toString()}`);
  child.stderr.resume();
  return { url: new URL(`http://127.0.0.1:${port}/mcp`), stop: () => void child.kill() };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
