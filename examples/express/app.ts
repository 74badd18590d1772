import { pipeline } from "node:stream";
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from "express";
import { authorize, guardRequests } from "hopguard/express";
import * as z from "zod";
import { leftOf, refund } from "./payments";
import type { AppSettings, Upstream } from "./settings";

const agent = { id: "desk-web" };
const refundBody = z.strictObject({ amount_cents: z.int().positive() });

/** A support desk's backend: a gateway to models, in two wire formats, and a route of its own. One PDP decides it all. */
export function createApp({ guard, openai, anthropic, payments }: AppSettings): Express {
  const app = express();

  // Before any body parser: the guard reads the body itself.
  app.use("/openai", guardRequests(guard, { api: "openai", agent }), forwardTo(openai));
  app.use("/anthropic", guardRequests(guard, { api: "anthropic", agent }), forwardTo(anthropic));

  /** What the PDP is asked: what was sent, and what only the app knows. */
  const refundHop = ({ params: { id }, body }: Request<{ id: string }>) => ({
    kind: "payment",
    id,
    action: "refund",
    attr: { ...refundBody.parse(body), left_cents: leftOf(payments, id) },
  });
  app.post(
    "/payments/:id/refunds",
    express.json(),
    authorize(guard, refundHop, { agent }),
    ({ params: { id }, body }, res) => {
      res.status(201).json(refund(payments, id, refundBody.parse(body).amount_cents));
    },
  );

  app.use(unreadable);
  return app;
}

/** Takes the request that was checked to a provider, with the gateway's key in place of the caller's token. */
function forwardTo({ url, headers }: Upstream): RequestHandler {
  return async ({ hopguard, baseUrl }, res) => {
    if (!hopguard) throw new Error("There is no guard in front of this handler.");
    const { pathname, search } = new URL(hopguard.request.url);
    const request = new globalThis.Request(
      `${url}${pathname.slice(baseUrl.length)}${search}`,
      hopguard.request,
    );
    request.headers.delete("authorization");
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
    const answer = await fetch(request);

    res.status(answer.status).type(answer.headers.get("content-type") ?? "application/json");
    if (!answer.body) res.end();
    // An answer that breaks off has nobody left to be told: whoever asked has gone, or may not have the rest.
    else pipeline(answer.body, res, () => undefined);
  };
}

const unreadable: ErrorRequestHandler = (error, _req, res, next) => {
  if (error instanceof z.ZodError) res.status(400).json({ issues: error.issues });
  else next(error);
};
