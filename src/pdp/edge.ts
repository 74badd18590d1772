import { connectCerbos, type CerbosPdp } from "./cerbos";
import type { CerbosClient } from "./client-backend";
import { fetchExchange } from "./fetch-exchange";
import type { CerbosOptions } from "./options";

/** `hopguard/cerbos` in runtimes that have the web's `fetch` and no `node:http`: same names, same reading of answers. */
export function cerbos(pdp: string | URL | CerbosClient, options: CerbosOptions = {}): CerbosPdp {
  return connectCerbos(fetchExchange, pdp, options);
}

export type { CerbosClient, CerbosOptions, CerbosPdp };
