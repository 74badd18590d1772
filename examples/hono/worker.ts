import { createGuard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { jwt } from "hopguard/identity";
import type { Hono } from "hono";
import { createDesk } from "../support-desk/servers/desk-data";
import { createApp } from "./app";

/** What is configured where the app is deployed. */
interface Env {
  /** A PDP that the runtime can reach. There, `hopguard/cerbos` asks it by `fetch`. */
  readonly PDP_URL: string;
  /** Who issues the tokens of callers, and what the app is called in them. */
  readonly ISSUER: string;
  readonly AUDIENCE: string;
  readonly OPENAI_API_KEY: string;
  readonly ANTHROPIC_API_KEY: string;
}

/** Made with the first request: an edge runtime has no configuration before. */
let app: Hono | undefined;

/**
 * What `npx wrangler deploy examples/hono/worker.ts` deploys. A platform without bindings hands it its environment: `worker.fetch(request, process.env)`.
 * Decisions are recorded on the console.
 */
export default {
  fetch: (request: Request, env: Env): Response | Promise<Response> =>
    (app ??= configured(env)).fetch(request),
};

function configured({ PDP_URL, ISSUER, AUDIENCE, OPENAI_API_KEY, ANTHROPIC_API_KEY }: Env): Hono {
  // The PDP is not next door there.
  const patience = { timeoutMs: 5000 };
  return createApp({
    guard: createGuard({
      ...patience,
      pdp: cerbos(PDP_URL, patience),
      identity: jwt({ issuer: ISSUER, audience: AUDIENCE }),
    }),
    openai: { url: "https://api.openai.com", headers: { authorization: `Bearer ${OPENAI_API_KEY}` } },
    anthropic: { url: "https://api.anthropic.com", headers: { "x-api-key": ANTHROPIC_API_KEY } },
    payments: createDesk().payments,
  });
}
