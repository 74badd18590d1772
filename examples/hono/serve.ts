import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve as listen } from "@hono/node-server";
import type { ServeApp } from "../express/stage";
import { createApp } from "./app";

/** Hono on Node, on a port that the system picks. */
export const serve: ServeApp = async (settings) => {
  const server = listen({ fetch: createApp(settings).fetch, hostname: "127.0.0.1", port: 0 }) as Server;
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
