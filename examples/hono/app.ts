import { authorize, guardRequests } from "hopguard/hono";
import { Hono, type Context } from "hono";
import { proxy } from "hono/proxy";
import * as z from "zod";
import { leftOf, refund } from "../express/payments";
import type { AppSettings, Upstream } from "../express/settings";

const agent = { id: "desk-web" };
const refundBody = z.strictObject({ amount_cents: z.int().positive() });

/** The support desk's backend of `examples/express`, for any runtime that Hono runs in. */
export function createApp({ guard, openai, anthropic, payments }: AppSettings): Hono {
  const app = new Hono();

  app.all("/openai/*", guardRequests(guard, { api: "openai", agent }), forwardTo(openai));
  app.all("/anthropic/*", guardRequests(guard, { api: "anthropic", agent }), forwardTo(anthropic));

  const readRefund = async (c: Context) => refundBody.parse(await c.req.json());
  /** What the PDP is asked: what was sent, and what only the app knows. */
  const refundHop = async (c: Context<object, "/payments/:id/refunds">) => {
    const id = c.req.param("id");
    const attr = { ...(await readRefund(c)), left_cents: leftOf(payments, id) };
    return { kind: "payment", id, action: "refund", attr };
  };
  app.post("/payments/:id/refunds", authorize(guard, refundHop, { agent }), async (c) => {
    const { amount_cents } = await readRefund(c);
    return c.json(refund(payments, c.req.param("id"), amount_cents), 201);
  });

  app.onError((error, c) => {
    if (error instanceof z.ZodError || error instanceof SyntaxError)
      return c.json({ error: error.message }, 400);
    console.error(error);
    return c.json({ error: "Internal error." }, 500);
  });
  return app;
}

/** Takes the request that was checked to a provider, with the gateway's key in place of the caller's token. */
function forwardTo({ url, headers }: Upstream) {
  return (c: Context): Promise<Response> => {
    const { pathname, search } = new URL(c.req.url);
    const path = pathname.replace(/^\/[^/]+/, "");
    const own = { ...c.req.header(), authorization: undefined, ...headers };
    return proxy(`${url}${path}${search}`, { raw: c.req.raw, headers: own });
  };
}
