import type {} from "hono";
import type { RequestContext } from "../http/request-guard";

/** What the guards set in Hono's context. */
export interface HopguardVariables {
  /** What the guard in front of a handler has found out. */
  hopguard: RequestContext;
}

declare module "hono" {
  // What the block adds to has this name.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface ContextVariableMap extends HopguardVariables {}
}
