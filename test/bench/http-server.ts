import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { HTTP } from "@cerbos/http";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import { Hono } from "hono";
import { createGuard, type Guard, type SessionOptions } from "hopguard";
import { jsonLinesFile } from "hopguard/audit";
import { cerbos } from "hopguard/cerbos";
import * as forExpress from "hopguard/express";
import * as forHono from "hopguard/hono";
import { AGENT, PRINCIPAL } from "./workload";

/**
 * A server in a process of its own, on a core of its own, with three routes that answer the same: one that asks nobody, one that asks the PDP as a team would
 * write it by hand, and one with the guard in front of it. Prints its URL.
 */
const [framework = "", pdp = "", auditFile = ""] = process.argv.slice(2);

const COMPLETION = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_759_104_000,
  model: "gpt-4o-mini",
  choices: [
    { index: 0, finish_reason: "stop", message: { role: "assistant", content: "Three tickets are open." } },
  ],
  usage: { prompt_tokens: 400, completion_tokens: 6, total_tokens: 406 },
};

/** Who asks is known already: what a token costs is measured in `identity`. */
const api = "openai";
const identify = (): SessionOptions => ({ principal: PRINCIPAL, agent: AGENT });
const client = new HTTP(pdp);

/** What the guard does in one line of a policy enforcement point of one's own. */
const isAllowed = (model: string): Promise<boolean> =>
  client.isAllowed({
    principal: { id: PRINCIPAL.id, roles: [...PRINCIPAL.roles], attr: PRINCIPAL.attr },
    resource: { kind: "llm_model", id: model, attr: { provider: api } },
    action: "completion",
  });

function expressApp(guard: Guard): RequestListener {
  const app = express();
  app.post("/bare/v1/chat/completions", express.json(), (_req, res) => {
    res.json(COMPLETION);
  });
  app.post("/by_hand/v1/chat/completions", express.json(), async (req, res) => {
    const { model } = req.body as { readonly model: string };
    if (await isAllowed(model)) res.json(COMPLETION);
    else res.status(403).json({ error: { message: "denied" } });
  });
  app.use("/guarded", forExpress.guardRequests(guard, { api, identify }), (_req, res) => {
    res.json(COMPLETION);
  });
  return app;
}

function honoApp(guard: Guard) {
  const app = new Hono();
  app.post("/bare/v1/chat/completions", async (c) => {
    await c.req.json();
    return c.json(COMPLETION);
  });
  app.post("/by_hand/v1/chat/completions", async (c) => {
    const { model } = await c.req.json<{ readonly model: string }>();
    return (await isAllowed(model)) ? c.json(COMPLETION) : c.json({ error: { message: "denied" } }, 403);
  });
  app.all("/guarded/*", forHono.guardRequests(guard, { api, identify }), (c) => c.json(COMPLETION));
  return app.fetch;
}

const guard = createGuard({ pdp: cerbos(pdp, { timeoutMs: 10_000 }), audit: jsonLinesFile(auditFile) });
const server =
  framework === "hono" ? createAdaptorServer({ fetch: honoApp(guard) }) : createServer(expressApp(guard));
await once(server.listen(0, "127.0.0.1"), "listening");
process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
// Asked for anything, it says what it has worked so far, in microseconds.
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.on("disconnect", () => process.exit());
