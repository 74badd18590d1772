/**
 * Takes decisions from a Cerbos PDP.
 *
 * @module hopguard/cerbos
 */
export { cerbos, type CerbosPdp } from "./cerbos";
export type { CerbosOptions } from "./options";
export type { CerbosClient } from "./client-backend";
