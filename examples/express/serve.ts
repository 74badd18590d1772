import { listening } from "../shared/serve";
import { createApp } from "./app";
import type { ServeApp } from "./stage";

/** Express on loopback, on a port that the system picks. */
export const serve: ServeApp = (settings) => listening(createApp(settings).listen(0, "127.0.0.1"));
