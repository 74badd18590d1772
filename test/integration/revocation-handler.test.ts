import { createHmac, timingSafeEqual } from "node:crypto";
import {
  ConfigurationError,
  createGuard,
  memoryState,
  type Guard,
  type GuardOptions,
  type Revocation,
  type RevocationStore,
} from "hopguard";
import { revocationHandler, type RevocationHandlerOptions } from "hopguard/revocations";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";

const SECRET = "correct-horse-battery-staple-0123";
const json = { "content-type": "application/json" };

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { readonly error?: string; readonly revocations?: readonly Revocation[] };
}

/** The handler on a real server, beside a guard that works. */
async function mounted(
  { authorize = SECRET }: Partial<RevocationHandlerOptions> = {},
  options: Partial<GuardOptions> = {},
) {
  const pdp = stubPdp({ rules: [() => true] });
  const guard = createGuard({ pdp, audit: () => undefined, ...options });
  const handler = revocationHandler(guard, { authorize });
  const server = await serve(handler);
  onTestFinished(() => server.stop());

  const send = async (method: string, init: RequestInit = {}): Promise<Answer> => {
    const headers = {
      authorization: `Bearer ${SECRET}`,
      ...json,
      ...(init.headers as Record<string, string>),
    };
    const response = await fetch(`${server.url}/revocations`, { ...init, method, headers });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === "" ? {} : JSON.parse(text)) as Answer["body"],
    };
  };
  const ask = (method: string, body: unknown) => send(method, { body: JSON.stringify(body) });
  return { guard, pdp, handler, send, ask };
}

const bodyOf = (start: (controller: ReadableStreamDefaultController<Uint8Array>) => void) =>
  new ReadableStream<Uint8Array>({ start });

/** A request that no server has read before the handler. */
const posted = (body: BodyInit, authorization = `Bearer ${SECRET}`): Request =>
  new Request("http://localhost/revocations", {
    method: "POST",
    headers: { ...json, authorization },
    body,
    duplex: "half",
  } as RequestInit);

const open = (guard: Guard) =>
  guard.session({
    id: "S-1",
    principal: { id: "u-1", roles: ["clerk"] },
    agent: { id: "bot" },
    task: { id: "T-1" },
  });
async function codeOf(session: Awaited<ReturnType<typeof open>>): Promise<string> {
  const decision = await session.check({ kind: "mcp_payments", action: "tools/list" });
  return decision.effect === "allow" ? "allow" : decision.denial.code;
}

describe("the kill switch over HTTP", () => {
  it.each([{ task: "T-1" }, { session: "S-1" }, { agent: "bot" }, { principal: "u-1" }])(
    "revokes and restores %j, from the next hop on",
    async (target) => {
      const { guard, pdp, ask, send } = await mounted();
      const session = await open(guard);
      expect(await codeOf(session)).toBe("allow");
      const asked = pdp.queries.length;

      const revoked = await ask("POST", { target, reason: "odd refunds", author: "ada" });
      expect(revoked).toMatchObject({ status: 200, body: { revoked: target } });
      expect(await codeOf(session)).toBe("revoked");
      expect(pdp.queries).toHaveLength(asked);
      const listed = await send("GET");
      expect(listed.status).toBe(200);
      expect(listed.body.revocations).toMatchObject([{ target, reason: "odd refunds", author: "ada" }]);
      expect(listed.headers.get("cache-control")).toBe("no-store");

      expect(await ask("DELETE", { target })).toMatchObject({ status: 200, body: { restored: target } });
      expect(await codeOf(session)).toBe("allow");
      expect((await send("GET")).body).toEqual({ revocations: [] });
    },
  );

  it("takes the name of who asks from the operator's function, whatever the request says", async () => {
    const authorize = ({ headers }: Request) => headers.get("x-user") ?? undefined;
    const { guard, send, ask } = await mounted({ authorize });
    const body = JSON.stringify({ target: { task: "T-1" }, author: "somebody else" });
    expect((await send("POST", { body, headers: { "x-user": "grace" } })).status).toBe(200);
    expect(await guard.revocations()).toMatchObject([{ target: { task: "T-1" }, author: "grace" }]);
    expect((await ask("DELETE", { target: { task: "T-1" } })).status).toBe(401);
    expect(await guard.revocations()).toHaveLength(1);
  });

  it("lets the operator's function read the body, to verify a signature over it", async () => {
    const sign = (body: string) => createHmac("sha256", SECRET).update(body).digest();
    const authorize = async (request: Request) => {
      const given = Buffer.from(request.headers.get("x-signature") ?? "", "hex");
      const expected = sign(await request.text());
      return given.length === expected.length && timingSafeEqual(given, expected) ? "siem" : undefined;
    };
    const { guard, send } = await mounted({ authorize });
    const body = JSON.stringify({ target: { agent: "bot" } });
    const headers = { "x-signature": sign(body).toString("hex") };
    expect((await send("POST", { body: body.replace("bot", "bat"), headers })).status).toBe(401);
    expect((await send("POST", { body, headers })).status).toBe(200);
    expect(await guard.revocations()).toMatchObject([{ target: { agent: "bot" }, author: "siem" }]);
  });
});

it.each([{ delegation: "D-1" }, { login: '["https://id.example","sub","u-1"]' }])(
  "the kill switch over HTTP takes %j",
  async (target) => {
    const { guard, ask } = await mounted();
    expect(await ask("POST", { target })).toMatchObject({ status: 200, body: { revoked: target } });
    expect(await guard.revocations()).toMatchObject([{ target }]);
    expect((await ask("DELETE", { target })).status).toBe(200);
    expect(await guard.revocations()).toEqual([]);
  },
);

describe("whoever may not", () => {
  const refused = async (answer: Answer, guard: Guard): Promise<void> => {
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(answer.body).toEqual({ error: "not authorized" });
    expect(await guard.revocations()).toEqual([]);
  };

  it.each([
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    `Bearer ${SECRET.slice(0, -1)}`,
    `Bearer ${SECRET}x`,
    `Bearer ${SECRET.toUpperCase()}`,
    `Bearer ${"x".repeat(SECRET.length)}`,
    `Bearer ${"x".repeat(8000)}`,
    `Bearer ${SECRET}, Bearer ${SECRET}`,
    `Basic ${SECRET}`,
    SECRET,
  ])("is refused, and changes nothing: %s", async (authorization) => {
    const { guard, send } = await mounted();
    const body = JSON.stringify({ target: { task: "T-1" } });
    await refused(await send("POST", { body, headers: { authorization } }), guard);
    await refused(await send("GET", { headers: { authorization } }), guard);
  });

  it("learns nothing of what else is wrong with a request", async () => {
    const { guard, send } = await mounted();
    const headers = { authorization: "Bearer wrong" };
    await refused(await send("PUT", { body: "{", headers }), guard);
    await refused(
      await send("POST", { body: "{", headers: { ...headers, "content-type": "text/plain" } }),
      guard,
    );
  });

  it.each<[string, () => unknown]>([
    ["nobody", () => undefined],
    ["null", () => null],
    ["no name", () => ""],
    ["true", () => true],
    ["an object", () => ({ name: "ada" })],
    ["a rejection", () => Promise.reject(new Error("the directory is away"))],
    [
      "an exception",
      () => {
        throw new Error("a mistake");
      },
    ],
  ])("is refused where the operator's function answers with %s", async (_case, authorize) => {
    const { guard, ask } = await mounted({ authorize: authorize as () => undefined });
    await refused(await ask("POST", { target: { task: "T-1" } }), guard);
  });
});

describe("a request that is not exactly one thing", () => {
  it.each<[string, string, RegExp]>([
    ["nothing", "", /is not JSON/],
    ["half of it", '{"target":{"task":"T-1"}', /is not JSON/],
    ["a list", '[{"target":{"task":"T-1"}}]', /body/],
    ["no target", "{}", /body\.target/],
    ["an empty target", '{"target":{}}', /exactly one/],
    ["two targets", '{"target":{"task":"T-1","agent":"bot"}}', /exactly one/],
    ["one target twice", '{"target":{"task":"T-1","task":"T-2"}}', /twice/],
    ["two bodies", '{"target":{"task":"T-1"},"target":{"task":"T-2"}}', /twice/],
    ["a target in two cases", '{"target":{"task":"T-1"},"Target":{"task":"T-2"}}', /case/],
    ["a target that nobody can be", '{"target":{"task":"T-1 "}}', /body\.target\.task/],
    ["a target of no name", '{"target":{"task":""}}', /body\.target\.task/],
    ["a target that is a number", '{"target":{"task":1}}', /body\.target\.task/],
    ["a target that is a list", '{"target":{"task":["T-1"]}}', /body\.target\.task/],
    ["a target that is nobody's", '{"target":{"model":"gpt-4o"}}', /model/],
    ["a prototype", '{"target":{"__proto__":{"task":"T-1"}}}', /__proto__/],
    ["a member that is none", '{"target":{"task":"T-1"},"at":"2020-01-01"}', /at/],
    ["a long reason", JSON.stringify({ target: { task: "T-1" }, reason: "x".repeat(1001) }), /body\.reason/],
    ["a megabyte", JSON.stringify({ target: { task: "T-1" }, reason: "x".repeat(1_048_576) }), /longer than/],
  ])("is refused, and changes nothing: %s", async (_case, body, error) => {
    const { guard, send } = await mounted();
    const answer = await send("POST", { body });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatch(error);
    expect(await guard.revocations()).toEqual([]);
  });

  it.each<[string, () => BodyInit, RegExp]>([
    ["is not UTF-8", () => new Uint8Array([0x7b, 0xff, 0x7d]), /is not UTF-8/],
    ["breaks off", () => bodyOf((controller) => controller.error(new Error("reset"))), /could not be read/],
  ])("is refused, and changes nothing: its body %s", async (_case, body, error) => {
    const { guard, handler } = await mounted();
    const response = await handler(posted(body()));
    expect(response.status).toBe(400);
    expect(((await response.json()) as Answer["body"]).error).toMatch(error);
    expect(await guard.revocations()).toEqual([]);
  });

  it("is read no further than a request is long, and by no one who may not ask", async () => {
    const { guard, handler } = await mounted();
    let chunks = 0;
    let isCancelled = false;
    const endless = () =>
      new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            chunks++;
            controller.enqueue(new TextEncoder().encode(" ".repeat(1000)));
          },
          cancel: () => void (isCancelled = true),
        },
        { highWaterMark: 0 },
      );
    expect((await handler(posted(endless(), "Bearer wrong"))).status).toBe(401);
    expect(chunks).toBe(0);
    expect((await handler(posted(endless()))).status).toBe(400);
    expect(chunks).toBeLessThan(20);
    expect(isCancelled).toBe(true);
    expect(await guard.revocations()).toEqual([]);
  });

  it("restores nothing either, and takes no reason for it", async () => {
    const { guard, send, ask } = await mounted();
    await guard.revoke({ task: "T-1" });
    for (const body of [
      "",
      "{}",
      '{"target":{"task":"T-1","agent":"bot"}}',
      '{"target":{"task":"T-1"},"reason":"x"}',
    ]) {
      expect((await send("DELETE", { body })).status).toBe(400);
    }
    expect(await guard.revocations()).toHaveLength(1);
    // What was never revoked is not revoked afterwards either.
    expect((await ask("DELETE", { target: { task: "T-2" } })).status).toBe(200);
  });

  it.each([
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "text/json",
  ])("is refused as %j, which a page of another origin could send", async (type) => {
    const { guard, send } = await mounted();
    const body = JSON.stringify({ target: { task: "T-1" } });
    expect((await send("POST", { body, headers: { "content-type": type } })).status).toBe(415);
    expect(await guard.revocations()).toEqual([]);
  });

  it("is refused by its method", async () => {
    const { guard, ask } = await mounted();
    for (const method of ["PUT", "PATCH", "OPTIONS", "PURGE"]) {
      const { status, headers } = await ask(method, { target: { task: "T-1" } });
      expect([status, headers.get("allow")]).toEqual([405, "GET, POST, DELETE"]);
    }
    expect(await guard.revocations()).toEqual([]);
  });

  it("is refused as HEAD, which would seem to have listed", async () => {
    const { send } = await mounted();
    expect((await send("HEAD")).status).toBe(405);
  });
});

describe("while the state is away", () => {
  it.each<[string, Error]>([
    ["an exception", new Error("connect ECONNREFUSED redis.internal:6379")],
    ["its own complaint", new ConfigurationError("maxmemory-policy is allkeys-lru")],
  ])("every request is answered 503, and nothing is told of why: %s", async (_case, error) => {
    const away = () => Promise.reject(error);
    const revocations: RevocationStore = { find: away, revoke: away, restore: away, list: away };
    const { send, ask } = await mounted({}, { state: { ...memoryState(), revocations } });
    const answers = [
      await send("GET"),
      await ask("POST", { target: { task: "T-1" } }),
      await ask("DELETE", { target: { task: "T-1" } }),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(503);
      expect(body).toEqual({ error: "the state has not confirmed this: do not rely on it" });
    }
  });
});

describe("options of revocationHandler that are wrong", () => {
  const guard = createGuard({ pdp: stubPdp(), audit: () => undefined });
  it.each<[string, object | undefined, RegExp]>([
    ["none", undefined, /revocationHandler/],
    ["nobody who may", {}, /revocationHandler\.authorize/],
    ["a short secret", { authorize: "x".repeat(31) }, /at least 32/],
    ["a secret that no header holds", { authorize: `${"x".repeat(32)} é` }, /ASCII/],
    ["a list", { authorize: [SECRET] }, /revocationHandler\.authorize/],
    ["an option that is none", { authorize: SECRET, path: "/" }, /path/],
  ])("are refused where they are given: %s", (_case, options, message) => {
    const make = () => revocationHandler(guard, options as RevocationHandlerOptions);
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(message);
  });

  it("are refused without a guard", () => {
    expect(() => revocationHandler({} as Guard, { authorize: SECRET })).toThrow(/revocationHandler\.guard/);
  });
});
