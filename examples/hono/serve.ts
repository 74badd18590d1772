import type { Server } from "node:http";
import { serve as listen } from "@hono/node-server";
import type { ServeApp } from "../express/stage";
import { listening } from "../shared/serve";
import { createApp } from "./app";

/** Hono on Node, on a port that the system picks. */
export const serve: ServeApp = (settings) =>
  listening(listen({ fetch: createApp(settings).fetch, hostname: "127.0.0.1", port: 0 }) as Server);
