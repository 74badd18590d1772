import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { Hono, type Context, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { streamSSE } from "hono/streaming";
import { findDenial, type Guard } from "hopguard";
import { authorize, guardRequests } from "hopguard/hono";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { listening } from "../support/model-doors";

const CHAT = "/v1/chat/completions";
const hello = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const ticketPolicy = {
  kind: "ticket",
  rules: [
    {
      ...{ actions: ["read"], effect: "EFFECT_ALLOW" as const, roles: ["analyst"] },
      condition: { match: { expr: 'R.attr.team == "support"' } },
    },
    {
      ...{ actions: ["read"], effect: "EFFECT_ALLOW" as const, roles: ["once"] },
      condition: { match: { expr: '!("read" in R.attr.context.session.calls)' } },
    },
  ],
};

let desk: Desk;
let guard: Guard;
beforeAll(async () => {
  desk = await openDesk({ policies: [...labPolicies, ticketPolicy] });
  guard = desk.guard;
});
afterAll(() => desk.close());
beforeEach(() => {
  desk.reset();
});

/** Whoever the header says, as a session of the platform's would. */
const identify = (c: Context) => {
  const id = c.req.header("x-user");
  return id === undefined ? undefined : { principal: { id, roles: ["analyst"] }, agent: { id: "web" } };
};
const guarded = (): MiddlewareHandler => guardRequests(guard, { api: "openai", identify });
const ask = (app: Pick<Hono, "request">, path: string, json?: unknown, headers = {}): Promise<Response> =>
  Promise.resolve(
    app.request(path, {
      ...(json === undefined
        ? { method: "GET" }
        : { method: "POST", body: typeof json === "string" ? json : JSON.stringify(json) }),
      headers: { "content-type": "application/json", "x-user": "ada", ...headers },
    }),
  );

describe("guardRequests of hopguard/hono", () => {
  it("hands on what was checked, in every way that Hono reads it", async () => {
    const app = new Hono();
    app.use("/v1/*", guarded());
    app.post(CHAT, async (c) => {
      const { session, decision } = c.var.hopguard;
      return c.json({
        user: session.principal.id,
        model: decision?.hop.id,
        id: decision?.decisionId,
        json: await c.req.json<unknown>(),
        text: await c.req.text(),
        type: c.req.header("content-type"),
      });
    });
    expect(await (await ask(app, CHAT, hello)).json()).toEqual({
      user: "ada",
      model: "gpt-4o-mini",
      id: desk.records[0]?.decision_id,
      json: hello,
      text: JSON.stringify(hello),
      type: "application/json",
    });
  });

  it.each([
    ["/v1/*", "/v1"],
    ["/api/openai/*", "/api/openai"],
    ["/api/openai/*", "/api/openai/v1"],
    ["/tenants/:tenant/*", "/tenants/acme"],
    ["*", "/v1"],
    ["/*", "/v1"],
    ["/v1/chat/completions", "/v1"],
  ])("on the route %s goes by what is below %s", async (route, base) => {
    const app = new Hono();
    app.use(route, guarded());
    app.all("*", (c) => c.text("handled"));
    expect(await (await ask(app, `${base}/chat/completions`, hello)).text()).toBe("handled");
    expect((await ask(app, `${base}/chat/completions`, { ...hello, model: "gpt-4o" })).status).toBe(403);
  });

  it("stands in an app that is mounted in another", async () => {
    const inner = new Hono();
    inner.use("/v1/*", guarded());
    inner.post("/v1/chat/completions", (c) => c.text("inner"));
    const app = new Hono().route("/api", inner);
    expect(await (await ask(app, `/api${CHAT}`, hello)).text()).toBe("inner");
    expect((await ask(app, "/api/v1/other", hello)).status).toBe(403);
  });

  it.each<[string, (c: Context) => Promise<unknown>]>([
    ["json()", (c) => c.req.json()],
    ["text()", (c) => c.req.text()],
    ["arrayBuffer()", (c) => c.req.arrayBuffer()],
    ["raw.clone().json()", (c) => c.req.raw.clone().json()],
  ])("takes a body that %s has read before it", async (_, read) => {
    const app = new Hono();
    app.use(async (c, next) => {
      await read(c).catch(() => undefined);
      await next();
    });
    app.use("/v1/*", guarded());
    app.post(CHAT, async (c) => c.json(await c.req.json()));
    expect(await (await ask(app, CHAT, hello)).json()).toEqual(hello);
    expect((await ask(app, CHAT, { ...hello, model: "gpt-4o" })).status).toBe(403);
    // Old versions of Hono have parsed it by then: what is left of it is decided.
    const twice = await ask(app, CHAT, `{"model":"gpt-4o-mini","model":"gpt-4o"}`);
    expect(twice.status).toBeOneOf([400, 403]);
  });

  it('takes a body that "identify" has read, and says for the operator when that lost it', async () => {
    const byBody = (read: (c: Context) => Promise<unknown>) => {
      const app = new Hono();
      const named = async (c: Context) => {
        const { user } = (await read(c)) as { readonly user: string };
        return { principal: { id: user, roles: ["analyst"] }, agent: { id: "web" } };
      };
      app.use("/v1/*", guardRequests(guard, { api: "openai", identify: named }));
      return app.post(CHAT, async (c) => c.json(await c.req.json()));
    };
    const said = { ...hello, user: "ada" };
    expect(
      await (
        await ask(
          byBody((c) => c.req.json()),
          CHAT,
          said,
        )
      ).json(),
    ).toEqual(said);
    expect(
      (
        await ask(
          byBody((c) => c.req.raw.json()),
          CHAT,
          said,
        )
      ).status,
    ).toBe(403);
    expect(desk.records.at(-1)?.detail).toContain("has read the request's body");
  });

  it.each<[string, (c: Context) => Promise<unknown>]>([
    ["raw.json()", (c) => c.req.raw.json()],
    ["formData()", (c) => c.req.formData()],
  ])("says clearly that the body was lost to %s", async (_, read) => {
    const errors: Error[] = [];
    const app = new Hono();
    app.onError((error, c) => {
      errors.push(error);
      return c.text("broken", 500);
    });
    app.use(async (c, next) => {
      await read(c).catch(() => undefined);
      await next();
    });
    app.use("/v1/*", guarded());
    app.post(CHAT, (c) => c.text("handled"));
    const response = await ask(app, CHAT, hello);
    expect(response.status).toBe(500);
    expect(errors).toMatchObject([{ name: "ConfigurationError" }]);
    expect(errors[0]?.message).toContain("Put the guard before it");
    expect(desk.records).toEqual([]);
  });

  it("keeps the handler's status, headers and cookies", async () => {
    const app = new Hono();
    app.use("/v1/*", guarded());
    app.post(CHAT, (c) => {
      c.header("x-kind", "kept");
      c.header("set-cookie", "a=1");
      c.header("set-cookie", "b=2", { append: true });
      return c.text("made", 201);
    });
    const response = await ask(app, CHAT, hello);
    expect(response.status).toBe(201);
    expect(response.headers.get("x-kind")).toBe("kept");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(await response.text()).toBe("made");
  });

  it("takes the length off a list that it shortens", async () => {
    const app = new Hono();
    app.use("/v1/*", guarded());
    const data = [{ id: "gpt-4o-mini" }, { id: "gpt-4o" }];
    app.get("/v1/models", (c) => c.json({ object: "list", data }, 200, { "content-length": "999" }));
    const response = await ask(app, "/v1/models");
    expect(response.headers.has("content-length")).toBe(false);
    expect(await response.json()).toEqual({ object: "list", data: [{ id: "gpt-4o-mini" }] });
  });

  it("takes off a list what caches go by: it is this caller's, and as policies are now", async () => {
    const app = new Hono();
    app.use("/v1/*", guarded());
    const ofAll = { etag: '"all"', "last-modified": new Date().toUTCString(), "cache-control": "public" };
    app.get("/v1/models", (c) => c.json({ data: [{ id: "gpt-4o" }] }, 200, { ...ofAll, "x-kind": "kept" }));
    const { headers } = await ask(app, "/v1/models");
    expect(headers.get("cache-control")).toBe("private, no-store");
    expect([headers.get("etag"), headers.get("last-modified")]).toEqual([null, null]);
    expect(headers.get("x-kind")).toBe("kept");
  });

  it("leaves on a denial what lets pages of another origin read it", async () => {
    const app = new Hono();
    app.use(cors({ origin: "https://app.example" }));
    app.use("/v1/*", guarded());
    app.post(CHAT, (c) => c.text("handled"));
    const denied = await ask(app, CHAT, { ...hello, model: "gpt-4o" }, { origin: "https://app.example" });
    expect(denied.status).toBe(403);
    expect(denied.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const allowed = await ask(app, CHAT, hello, { origin: "https://app.example" });
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
  });

  it("leaves errors and unknown routes to Hono", async () => {
    const app = new Hono();
    app.onError((error, c) => c.text(error.message, 500));
    app.use("/v1/*", guarded());
    app.post(CHAT, () => {
      throw new Error("the handler's own");
    });
    const broken = await ask(app, CHAT, hello);
    expect([broken.status, await broken.text()]).toEqual([500, "the handler's own"]);
    expect((await ask(app, "/v1/embeddings", { model: "text-embedding-3-small", input: "x" })).status).toBe(
      404,
    );
  });

  it("lets a stream of events flow, and ends it when authority is withdrawn", async () => {
    let aborted = false;
    const app = new Hono();
    app.use("/v1/*", guarded());
    app.post(CHAT, (c) =>
      streamSSE(c, async (stream) => {
        stream.onAbort(() => {
          aborted = true;
        });
        for (let index = 0; index < 600 && !stream.aborted; index++) {
          await stream.writeSSE({ data: String(index) });
          await stream.sleep(20);
        }
      }),
    );
    const door = await listening(createAdaptorServer({ fetch: app.fetch }) as Server);
    onTestFinished(() => door.stop());
    const response = await fetch(`${door.url}${CHAT}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-user": "streamer" },
      body: JSON.stringify({ ...hello, stream: true }),
    });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("data: 0");
    const start = Date.now();
    await guard.revoke({ principal: "streamer" });
    await expect(
      (async () => {
        for (;;) if ((await reader?.read())?.done) return;
      })(),
    ).rejects.toThrow();
    expect(Date.now() - start).toBeLessThan(1_500);
    await expect.poll(() => aborted).toBe(true);
  });
});

describe("authorize of hopguard/hono", () => {
  const teams: Readonly<Record<string, string>> = { "T-1": "support", "T-2": "legal" };
  const ticket = async (c: Context) => {
    const id = c.req.param("id") ?? "";
    const team = await Promise.resolve(teams[id]);
    if (team === undefined) throw new Error(`no ticket ${id}`);
    return { kind: "ticket", id, action: "read", attr: { team } };
  };

  it("decides routes of the application's own by the same policies", async () => {
    const app = new Hono();
    app.onError((error, c) => c.text(error.message, 500));
    let handled = 0;
    app.get("/tickets/:id", authorize(guard, ticket, { identify }), (c) => {
      handled++;
      const { session, decision } = c.var.hopguard;
      return c.json({ user: session.principal.id, hop: decision?.hop.id });
    });
    expect(await (await ask(app, "/tickets/T-1")).json()).toEqual({ user: "ada", hop: "T-1" });
    const denied = await ask(app, "/tickets/T-2");
    expect(denied.status).toBe(403);
    expect(denied.headers.get("content-type")).toBe("application/problem+json");
    const body: unknown = await denied.json();
    expect(body).toMatchObject({ title: "Forbidden", status: 403 });
    expect(findDenial(body)).toMatchObject({ code: "policy_denied", hop: { kind: "ticket" } });
    const broken = await ask(app, "/tickets/T-9");
    expect([broken.status, await broken.text()]).toEqual([500, "no ticket T-9"]);
    const nobody = await app.request("/tickets/T-1");
    expect(nobody.status).toBe(401);
    expect(nobody.headers.get("www-authenticate")).toBe('Bearer realm="hopguard"');
    expect(handled).toBe(1);
  });

  it.each([
    ["a redirect", "GET", 303],
    ["the head alone, which is all that Hono sends of it", "HEAD", 200],
  ])("counts a call as done that is answered with %s", async (_, method, status) => {
    const app = new Hono();
    const once = () => ({
      id: `once-${status}`,
      principal: { id: "ada", roles: ["once"] },
      agent: { id: "web" },
    });
    app.get("/tickets/:id", authorize(guard, ticket, { identify: once }), (c) => {
      const failing = Number(c.req.query("status"));
      return failing ? c.body(null, failing as 500) : new Response("read", { status });
    });
    const statuses: number[] = [];
    for (const path of ["/tickets/T-1?status=500", "/tickets/T-1", "/tickets/T-1"])
      statuses.push((await app.request(path, { method })).status);
    expect(statuses).toEqual([500, status, 403]);
  });

  it("ends a response when authority is withdrawn", async () => {
    const app = new Hono();
    app.get("/tickets/:id", authorize(guard, ticket, { identify }), () => {
      return new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3)) }),
      );
    });
    const response = await ask(app, "/tickets/T-1", undefined, { "x-user": "withdrawn" });
    const reading = response.arrayBuffer();
    reading.catch(() => undefined);
    await guard.revoke({ principal: "withdrawn" });
    await expect(reading).rejects.toThrow(/withdrawn/);
  });
});
