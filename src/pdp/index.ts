/**
 * Takes decisions from a Cerbos PDP.
 *
 * @module hopguard/cerbos
 */
import { connectCerbos, type CerbosPdp } from "./cerbos";
import type { CerbosClient } from "./client-backend";
import { nodeExchange } from "./node-exchange";
import type { CerbosOptions } from "./options";

/**
 * Takes decisions from a Cerbos PDP.
 *
 * By URL, decisions go through a small strict exchange of our own; in runtimes without `node:http` (Cloudflare's, Vercel's) through theirs, with the same
 * reading of answers. With a client of `@cerbos/http`, `@cerbos/grpc` or `@cerbos/embedded`, deadlines and the reading of answers are ours;
 * redirects, proxies and the wire are the client's.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function cerbos(pdp: string | URL | CerbosClient, options: CerbosOptions = {}): CerbosPdp {
  return connectCerbos(nodeExchange, pdp, options);
}

export type { CerbosClient, CerbosOptions, CerbosPdp };
