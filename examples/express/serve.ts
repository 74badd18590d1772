import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createApp } from "./app";
import type { ServeApp } from "./stage";

/** Express on loopback, on a port that the system picks. */
export const serve: ServeApp = async (settings) => {
  const server = createApp(settings).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
