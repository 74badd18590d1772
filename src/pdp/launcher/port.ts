import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { PortTakenError } from "./errors";

/**
 * Finds a free port, or makes sure that a given one is. Cerbos listens with SO_REUSEPORT: on a port where another
 * Cerbos of the same user listens it would start without complaint, and the two would share the requests.
 *
 * @throws {PortTakenError} when the given port cannot be listened on.
 */
export async function claimPort(port = 0): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new PortTakenError(`Port ${port} of 127.0.0.1 is not to be had: ${String(cause)}`, { cause });
  }
  const claimed = (server.address() as AddressInfo).port;
  server.close();
  await once(server, "close");
  return claimed;
}
