import { gzipSync } from "node:zlib";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import express from "express";
import { createMcpHandler, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { ConfigurationError, createGuard, findDenial, type Guard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { jwt } from "hopguard/identity";
import { guardMcpServer as guardExpress } from "hopguard/express";
import { guardMcpServer, guardServerTransport } from "hopguard/mcp-server";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { auditRecorder } from "../support/audit-recorder";
import { openDesk, type Desk } from "../support/desk";
import { FRONT_DOORS, type FrontDoor, type RunningFrontDoor } from "../support/front-doors";
import { FRONT_LAB_POLICY, lab2, type Runs } from "../support/front-lab";
import { sdk2 } from "../support/mcp-clients";
import { sendRaw, type RawRequest } from "../support/raw-http";
import { seconds, TokenSigner } from "../support/token-signer";

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ policies: [FRONT_LAB_POLICY] });
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

const doorNamed = (name: string): FrontDoor => {
  const door = FRONT_DOORS.find((each) => each.name === name);
  if (!door) throw new Error(`There is no ${name}.`);
  return door;
};

const JSON_AND_EVENTS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const as = (user: string) => ({ ...JSON_AND_EVENTS, "x-user": user });

const call = (name: string, args: object = {}, id: unknown = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: args },
});

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

const post = (url: string, body: unknown, headers: Record<string, string> = as("noor user")) =>
  fetch(url, { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });

/** The message of an answer, in JSON or as an event. */
async function messageOf(response: Response): Promise<Record<string, unknown>> {
  const text = await response.text();
  const line = text.startsWith("{") ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? "{}");
  return JSON.parse(line) as Record<string, unknown>;
}

/** What a stream says up to some words; some servers keep it open for more. */
async function textUntil({ body }: Response, words: string): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const part of body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (text.includes(words)) break;
  }
  return text;
}

/** Opens an MCP session and answers with its id. */
async function openSession({ url }: RunningFrontDoor, headers = as("noor user")): Promise<string> {
  const response = await post(url, INITIALIZE, headers);
  await response.text();
  const id = response.headers.get("mcp-session-id");
  if (id === null) throw new Error(`There is no session: ${response.status}`);
  await post(
    url,
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { ...headers, "mcp-session-id": id },
  );
  return id;
}

describe.each(FRONT_DOORS)("bad input at $name", (door) => {
  const good = JSON.stringify(call("echo", { text: "hi" }));
  const utf16 = Buffer.from(good, "utf16le");

  it.each<readonly [string, RawRequest, number, number]>([
    ["a batch of one", { body: `[${good}]` }, 400, -32600],
    ["an empty batch", { body: "[]" }, 400, -32600],
    ["no JSON", { body: "{" }, 400, -32700],
    ["nothing", { body: "" }, 400, -32700],
    ["a number", { body: "7" }, 400, -32600],
    ["an id that is null", { body: JSON.stringify(call("echo", { text: "hi" }, null)) }, 400, -32600],
    ["a call and its answer", { body: good.replace("{", '{"result":{},') }, 400, -32600],
    ["the method twice", { body: good.replace("{", '{"method":"ping",') }, 400, -32700],
    ["a name in two cases", { body: good.replace('"name"', '"Name":"forbidden","name"') }, 400, -32700],
    ["arguments twice", { body: good.replace('"arguments"', '"arguments":{},"arguments"') }, 400, -32700],
    ["an argument twice", { body: good.replace('"text"', '"text":"a","text"') }, 400, -32700],
    [
      "a byte that is not UTF-8",
      { body: Buffer.concat([Buffer.from(good.slice(0, -1)), Buffer.from([0xff])]) },
      400,
      -32700,
    ],
    [
      "another charset",
      { body: utf16, headers: { "content-type": "application/json; charset=utf-16le" } },
      415,
      -32000,
    ],
    ["another content type", { body: good, headers: { "content-type": "text/plain" } }, 415, -32000],
    [
      "two content types",
      { body: good, headers: { "content-type": "application/json, text/plain" } },
      415,
      -32000,
    ],
    ["what is compressed", { body: gzipSync(good), headers: { "content-encoding": "gzip" } }, 415, -32000],
    ["too much", { body: good.replace("hi", "x".repeat(4_200_000)) }, 413, -32000],
    ["too deep", { body: good.replace('"hi"', "[".repeat(200) + "]".repeat(200)) }, 400, -32700],
  ])("refuses %s, and nothing runs", async (_name, request, status, code) => {
    const { url, runs } = await door.start(desk.guard);
    const answer = await sendRaw(url, { ...request, headers: { ...as("noor user"), ...request.headers } });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: "2.0", id: null, error: { code } });
    expect(answer.body).not.toContain("forbidden");
    expect(runs).toEqual([]);
    expect(desk.records.filter(({ effect }) => effect === "allow")).toEqual([]);
  });

  it("refuses a tool call that is a notification, and records it", async () => {
    const { url, runs } = await door.start(desk.guard);
    const { id: _, ...notification } = call("echo", { text: "hi" });
    const response = await post(url, notification);
    expect(response.status).toBe(400);
    expect(findDenial(await messageOf(response))).toMatchObject({ code: "unsupported_hop" });
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unsupported_hop" });
    expect(runs).toEqual([]);
  });

  it.each(["tools/Call", "tools/call ", "admin/run", "__proto__", "toString"])(
    "answers the method %j as a server would that has none such, and does not ask the server",
    async (method) => {
      const { url, runs } = await door.start(desk.guard);
      const response = await post(url, { ...call("echo", { text: "hi" }), method });
      expect(response.status).toBe(200);
      const { error } = await messageOf(response);
      expect(error).toMatchObject({ code: -32601, data: { code: "unsupported_hop" } });
      expect(runs).toEqual([]);
    },
  );

  it("answers other HTTP methods with what there is", async () => {
    const { url } = await door.start(desk.guard);
    for (const method of ["PUT", "PATCH", "HEAD"]) {
      const response = await fetch(url, { method, headers: as("noor user") });
      // What is mounted for some methods alone never sees the others.
      if (response.status !== 404) expect(response.status).toBe(405);
    }
  });

  it("knows nobody without a word of who it is", async () => {
    const { url, runs } = await door.start(desk.guard);
    for (const headers of [JSON_AND_EVENTS, as("noor"), as("")]) {
      const response = await post(url, call("echo", { text: "hi" }), headers);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
    }
    expect(runs).toEqual([]);
  });
});

describe.each(FRONT_DOORS.filter(({ hasSessions }) => hasSessions))("MCP sessions at $name", (door) => {
  it("are their opener's, and to anybody else like none", async () => {
    const running = await door.start(desk.guard);
    const { url, runs } = running;
    const id = await openSession(running);
    const unknown = await post(url, call("echo", { text: "a" }), {
      ...as("noor user"),
      "mcp-session-id": randomUUID(),
    });
    const eve = { ...as("eve user"), "mcp-session-id": id };
    const foreign = [
      await post(url, call("echo", { text: "b" }), eve),
      await post(
        url,
        { ...call("echo", { text: "c" }), params: { name: "echo", arguments: { text: "c" }, _meta: META } },
        eve,
      ),
      await fetch(url, { headers: { ...eve, accept: "text/event-stream" } }),
      await fetch(url, { headers: { ...eve, accept: "text/event-stream", "last-event-id": "0" } }),
      await fetch(url, { method: "DELETE", headers: eve }),
    ];
    expect(unknown.status).toBe(404);
    const words = await unknown.text();
    for (const response of foreign) {
      expect(response.status).toBe(404);
      expect(await response.text()).toBe(words);
    }
    expect(runs).toEqual([]);
    const own = { ...as("noor user"), "mcp-session-id": id };
    expect(await messageOf(await post(url, call("echo", { text: "d" }), own))).toHaveProperty("result");
    expect(runs).toEqual([["echo", { text: "d" }]]);

    const ended = await fetch(url, { method: "DELETE", headers: own });
    expect(ended.status).toBe(200);
    expect((await post(url, call("echo", { text: "e" }), own)).status).toBe(404);
    expect(runs).toHaveLength(1);
  });

  it("see what is known of their opener now, and not what was known", async () => {
    const running = await door.start(desk.guard);
    const id = await openSession(running);
    const now = { ...as("noor guest"), "mcp-session-id": id };
    const denied = await messageOf(await post(running.url, call("spend", { amount: 1 }), now));
    expect(findDenial(denied.result)).toMatchObject({ code: "policy_denied" });
    expect(running.runs).toEqual([]);
  });

  it("take a second request of the same id for none", async () => {
    const running = await door.start(desk.guard);
    const id = await openSession(running);
    const own = { ...as("noor user"), "mcp-session-id": id };
    const gone = new AbortController();
    onTestFinished(() => gone.abort());
    void fetch(running.url, {
      method: "POST",
      headers: own,
      body: JSON.stringify(call("slow")),
      signal: gone.signal,
    }).catch(() => undefined);
    await expect.poll(() => running.runs).toEqual([["slow"]]);
    const second = await messageOf(await post(running.url, call("echo", { text: "hi" }), own));
    expect(findDenial(second.result)).toMatchObject({ code: "unsupported_hop" });
    expect(running.runs).toEqual([["slow"]]);
  });

  it("end the stream of what the server says within a second of a revocation", async () => {
    const running = await door.start(desk.guard);
    const ida = `ida-${randomUUID()}`;
    const user = as(`${ida} user`);
    const id = await openSession(running, user);
    const { session = "" } = desk.records.findLast(({ subject }) => subject.id === ida) ?? {};
    const stream = await fetch(running.url, {
      headers: { ...user, accept: "text/event-stream", "mcp-session-id": id },
    });
    expect(stream.status).toBe(200);
    const began = performance.now();
    await desk.guard.revoke({ session });
    await stream.text().catch(() => "");
    expect(performance.now() - began).toBeLessThan(2000);
    const again = await fetch(running.url, {
      headers: { ...user, accept: "text/event-stream", "mcp-session-id": id },
    });
    expect(again.status).toBe(403);
    expect(findDenial(await messageOf(again))).toMatchObject({ code: "revoked" });
  });

  it("let nobody say anything whose authority was withdrawn, whether or not it needs a decision", async () => {
    const running = await door.start(desk.guard);
    const uma = `uma-${randomUUID()}`;
    const headers = as(`${uma} user`);
    const own = { ...headers, "mcp-session-id": await openSession(running, headers) };
    const changed = { jsonrpc: "2.0", method: "notifications/roots/list_changed" };
    const ping = { jsonrpc: "2.0", id: 7, method: "ping" };
    expect((await post(running.url, changed, own)).status).toBe(202);
    expect(await messageOf(await post(running.url, ping, own))).toMatchObject({ id: 7, result: {} });

    await desk.guard.revoke({ principal: uma });
    await expect
      .poll(async () => (await post(running.url, changed, own)).status, { timeout: 2000 })
      .toBe(403);
    expect(findDenial((await messageOf(await post(running.url, ping, own))).error)).toMatchObject({
      code: "revoked",
    });
    expect(desk.records.at(-1)).toMatchObject({ code: "revoked", hop: { action: "initialize" } });
  });

  it.skipIf(door.name.includes("in JSON"))(
    "replay filtered lists only, and to their opener only",
    async () => {
      const running = await door.start(desk.guard);
      const own = as("gil guest");
      const id = await openSession(running, own);
      const list = { jsonrpc: "2.0", id: 5, method: "tools/list", params: {} };
      const first = await post(running.url, list, {
        ...own,
        "mcp-session-id": id,
        "mcp-protocol-version": "2025-11-25",
      });
      const seen = await first.text();
      const [start] = /^id: (.+)$/m.exec(seen)?.slice(1) ?? [];
      expect(start).toBeDefined();
      const replay = async (user: string) =>
        fetch(running.url, {
          headers: {
            ...as(user),
            accept: "text/event-stream",
            "mcp-session-id": id,
            "last-event-id": start ?? "",
            "mcp-protocol-version": "2025-11-25",
          },
        });
      expect((await replay("noor user")).status).toBe(404);
      const again = await textUntil(await replay("gil guest"), '"name":"echo"');
      expect(again).toContain('"name":"echo"');
      expect(again).not.toContain('"name":"spend"');
      expect(seen).not.toContain('"name":"spend"');
    },
  );
});

describe.each(FRONT_DOORS.filter(({ hasSessions }) => !hasSessions))("no sessions at $name", (door) => {
  it("let nobody say anything who may not open the server", async () => {
    const { url, created } = await door.start(desk.guard);
    const changed = { jsonrpc: "2.0", method: "notifications/roots/list_changed" };
    const ping = { jsonrpc: "2.0", id: 7, method: "ping" };
    const eve = as("eve stranger");
    expect((await post(url, changed, eve)).status).toBe(403);
    expect(findDenial((await messageOf(await post(url, ping, eve))).error)).toMatchObject({
      code: "policy_denied",
    });
    expect(created).toEqual([]);
    expect((await post(url, changed)).status).toBe(202);
    expect(await messageOf(await post(url, ping))).toMatchObject({ id: 7, result: {} });
  });
});

describe("revision 2026-07-28", () => {
  const start = async () => doorNamed("SDK 2, web-standard, both revisions").start(desk.guard);
  const modern = (method: string, params: object = {}, name?: string) => ({
    headers: {
      ...as("noor user"),
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name !== undefined && { "mcp-name": name }),
    },
    body: { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } },
  });

  it.each(["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list", "no/such"])(
    "has no %s: 404, as the bare server would answer",
    async (method) => {
      const { url } = await start();
      const { body, headers } = modern(method);
      const response = await post(url, body, headers);
      expect(response.status).toBe(404);
      expect(await messageOf(response)).toMatchObject({ id: 1, error: { code: -32601 } });
      expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unsupported_hop" });
    },
  );

  it("goes by the message where a header says something else, and the server refuses both", async () => {
    const { url, runs } = await start();
    const { body, headers } = modern("tools/call", { name: "spend", arguments: { amount: 11 } }, "echo");
    const denied = await messageOf(await post(url, body, headers));
    expect(findDenial(denied.result)).toMatchObject({ code: "policy_denied" });
    const echo = modern("tools/call", { name: "echo", arguments: { text: "hi" } }, "spend");
    const response = await post(url, echo.body, echo.headers);
    expect(response.status).toBe(400);
    expect(await messageOf(response)).toMatchObject({ error: { code: -32020 } });
    expect(runs).toEqual([]);
  });

  it("sends no logs for a call that asks for them by its `_meta`, where the level may not be set", async () => {
    const { url, runs } = await start();
    const { body, headers } = modern("tools/call", { name: "echo", arguments: { text: "hi" } }, "echo");
    const _meta = { ...META, "io.modelcontextprotocol/logLevel": "debug" };
    const response = await post(url, { ...body, params: { ...body.params, _meta } }, headers);
    expect(findDenial((await messageOf(response)).result)).toMatchObject({
      ...{ code: "policy_denied", hop: { action: "logging/setLevel" } },
    });
    expect(runs).toEqual([]);
  });

  it("is decided on each request: who may not open the server may still do what a rule allows, and no more", async () => {
    const { url } = await start();
    const { body, headers } = modern("server/discover");
    const response = await post(url, body, { ...headers, "x-user": "eve stranger" });
    expect(response.status).toBe(200);
    expect(findDenial(await messageOf(response))).toMatchObject({ hop: { action: "initialize" } });
  });

  it("ends a stream of subscriptions, which no transport serves, within a second of a revocation", async () => {
    const { url } = await start();
    const { body, headers } = modern("subscriptions/listen", { notifications: { toolsListChanged: true } });
    const response = await post(url, body, { ...headers, "x-user": "lis user" });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const began = performance.now();
    onTestFinished(() => desk.guard.restore({ principal: "lis" }));
    await desk.guard.revoke({ principal: "lis" });
    const said = await response.text();
    expect(said).toContain("notifications/subscriptions/acknowledged");
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe("a bearer token", () => {
  const ISSUER = "https://idp.example";
  const RESOURCE = "https://mcp.example/lab/mcp";
  const signer = new TokenSigner();
  let ahead = 0;
  const clock = () => new Date(Date.now() + ahead);
  const audit = auditRecorder();
  let guard: Guard;

  beforeAll(async () => {
    const pdp = cerbos(desk.pdpUrl, { timeoutMs: 10_000 });
    const identity = jwt({ issuer: ISSUER, audience: RESOURCE, jwks: await signer.jwks(), clock });
    guard = createGuard({ pdp, audit, identity, clock, repeats: false, timeoutMs: 10_000 });
  });
  beforeEach(() => {
    ahead = 0;
  });

  const token = (sub: string, claims: object = {}) =>
    signer.sign({
      ...{ iss: ISSUER, aud: RESOURCE, sub, roles: ["user"], iat: seconds(), exp: seconds(600) },
      ...claims,
    });
  const bearing = (bearer: string) => ({ ...JSON_AND_EVENTS, authorization: `Bearer ${bearer}` });
  const choice = { agent: { id: "assistant" }, resource: RESOURCE };

  it.each(FRONT_DOORS)("opens $name, and says where to get one", async (door) => {
    const { url, runs } = await door.start(guard, choice);
    const metadata = "https://mcp.example/.well-known/oauth-protected-resource/lab/mcp";
    const none = await post(url, INITIALIZE, JSON_AND_EVENTS);
    expect(none.status).toBe(401);
    expect(none.headers.get("www-authenticate")).toBe(`Bearer resource_metadata="${metadata}"`);
    for (const bad of [
      "x",
      await token("noor", { aud: "https://other.example" }),
      await token("noor", { exp: seconds(-60) }),
    ]) {
      const response = await post(url, INITIALIZE, bearing(bad));
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe(
        `Bearer resource_metadata="${metadata}", error="invalid_token"`,
      );
      expect(findDenial(await messageOf(response))).toMatchObject({ code: "unauthenticated" });
    }
    expect(runs).toEqual([]);

    const client = new sdk2.Client({ name: "test", version: "1" }, {});
    onTestFinished(() => client.close());
    const requestInit = { headers: { authorization: `Bearer ${await token("noor")}` } };
    await client.connect(new sdk2.StreamableHTTPClientTransport(new URL(url), { requestInit }));
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    expect(runs).toEqual([["echo", { text: "hi" }]]);
  });

  it.each(FRONT_DOORS.filter(({ hasSessions }) => hasSessions))(
    "that expires within a session of $name is answered with 401, and a newer one goes on in the session",
    async (door) => {
      const running = await door.start(guard, choice);
      const [first, other] = await Promise.all([token("noor"), token("eve")]);
      const id = await openSession(running, bearing(first) as never);
      const own = (bearer: string) => ({ ...bearing(bearer), "mcp-session-id": id });
      const allowed = await post(running.url, call("echo", { text: "a" }), own(first));
      expect(await messageOf(allowed)).toHaveProperty("result");
      // Sessions that other tests left open write that they have ended, whenever their turn comes.
      const sessionOfCall = () =>
        audit.records.findLast(({ hop }) => hop.action === "tools/call/echo")?.session;
      const before = sessionOfCall();
      expect(before).toBeDefined();
      expect((await post(running.url, call("echo", { text: "b" }), own(other))).status).toBe(404);
      ahead = 601_000;
      expect((await post(running.url, call("echo", { text: "c" }), own(first))).status).toBe(401);
      const newer = await token("noor", { iat: seconds(601), exp: seconds(1200) });
      expect(
        await messageOf(await post(running.url, call("echo", { text: "d" }), own(newer))),
      ).toHaveProperty("result");
      expect(sessionOfCall()).toBe(before);
      expect(running.runs).toEqual([
        ["echo", { text: "a" }],
        ["echo", { text: "d" }],
      ]);
    },
  );

  it("is what its own request is decided by, whatever another one brings to the session meanwhile", async () => {
    const runs: Runs = [];
    let answerList: (() => void) | undefined;
    const create = () => {
      const lab = lab2(runs);
      lab.server.setRequestHandler("tools/list", async () => {
        await new Promise<void>((resolve) => (answerList = resolve));
        const amount = { type: "number" };
        return { tools: [{ name: "spend", inputSchema: { type: "object", properties: { amount } } }] };
      });
      return lab;
    };
    const guarded = guardMcpServer(guard, { ...choice, server: "lab", create });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
    });
    await guarded.connect(create(), transport);
    const send = (bearer: string, body: object): Promise<Response> => {
      const id = transport.sessionId;
      const headers = { ...bearing(bearer), ...(id !== undefined && { "mcp-session-id": id }) };
      const request = new Request(RESOURCE, { method: "POST", headers, body: JSON.stringify(body) });
      return guarded.handle(request, (passed, context) => transport.handleRequest(passed, context));
    };
    const limited = await token("noor", {
      authorization_details: [{ type: "mcp_lab", actions: ["tools/call/echo"] }],
    });
    await send(limited, INITIALIZE);

    // The guard has to learn what the tool's arguments are: while it waits, the same user comes with a token for everything.
    const refused = send(limited, call("spend", { amount: 2 }, 1));
    await expect.poll(() => answerList).toBeDefined();
    await send(await token("noor"), { jsonrpc: "2.0", id: 2, method: "ping" });
    answerList?.();
    expect(findDenial((await messageOf(await refused)).result)).toMatchObject({ code: "delegation_invalid" });
    expect(runs).toEqual([]);
    expect(await messageOf(await send(await token("noor"), call("spend", { amount: 3 }, 3)))).toHaveProperty(
      "result",
    );
    expect(runs).toEqual([["spend", { amount: 3 }]]);
  });

  it("is whom the handler finds, and what it asks with, whatever the session was opened with", async () => {
    const guarded = guardMcpServer(guard, { ...choice, server: "lab", create: () => lab2([]) });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
    });
    await guarded.connect(lab2([]), transport);
    const found: unknown[] = [];
    const send = (bearer: string, body: object, meanwhile?: () => Promise<unknown>): Promise<Response> => {
      const id = transport.sessionId;
      const headers = { ...bearing(bearer), ...(id !== undefined && { "mcp-session-id": id }) };
      const request = new Request(RESOURCE, { method: "POST", headers, body: JSON.stringify(body) });
      return guarded.handle(request, async (passed, context) => {
        await meanwhile?.();
        const { session, authInfo } = context;
        const spending = { kind: "mcp_lab", action: "tools/call/spend", attr: { arguments: { amount: 1 } } };
        const { effect } = await session.check(spending);
        found.push([session.principal.roles, authInfo.extra.principal.roles, effect]);
        return transport.handleRequest(passed, context);
      });
    };
    const [user, guest] = await Promise.all([token("noor"), token("noor", { roles: ["guest"] })]);
    await send(user, INITIALIZE);
    const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" });
    await send(guest, ping(1));
    await send(guest, ping(2), () => send(user, ping(3)));
    expect(found).toEqual([
      [["user"], ["user"], "allow"],
      [["guest"], ["guest"], "deny"],
      [["user"], ["user"], "allow"],
      [["guest"], ["guest"], "deny"],
    ]);
  });

  it("is asked for by metadata that anybody may read, at its own place and no other", async () => {
    const guarded = guardMcpServer(guard, {
      ...choice,
      server: "lab",
      create: () => lab2([]),
      authorizationServers: [ISSUER],
      scopesSupported: ["mcp"],
    });
    const at = (path: string, method = "GET") =>
      guarded.metadata(new Request(`http://localhost${path}`, { method }));
    const answer = at("/.well-known/oauth-protected-resource/lab/mcp");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(await answer.json()).toEqual({
      resource: RESOURCE,
      authorization_servers: [ISSUER],
      scopes_supported: ["mcp"],
      bearer_methods_supported: ["header"],
    });
    expect(at("/.well-known/oauth-protected-resource/lab/mcp", "OPTIONS").status).toBe(204);
    expect(at("/.well-known/oauth-protected-resource/lab/mcp", "POST").status).toBe(405);
    expect(at("/.well-known/oauth-protected-resource").status).toBe(404);
    expect(at("/").status).toBe(404);
  });

  it.each(["mcp", "https://mcp.example/#x", "ftp://mcp.example/", "", "https://mcp.example/ x"])(
    "cannot be bound to %j, which names no resource",
    (resource) => {
      const make = () =>
        guardMcpServer(guard, { ...choice, server: "lab", create: () => lab2([]), resource });
      expect(make).toThrow(ConfigurationError);
      expect(make).toThrow(/guardMcpServer: .*resource|resource/);
    },
  );
});

describe("a transport without the guard's other half", () => {
  const identify = () => ({ principal: { id: "noor", roles: ["user"] }, agent: { id: "assistant" } });
  const options = (runs: Runs) => ({ server: "lab", create: () => lab2(runs), identify });

  it.each<readonly [string, (context: object) => object]>([
    ["nothing", () => ({})],
    [
      "an authInfo that somebody has made",
      () => ({ authInfo: { token: "", clientId: "assistant", scopes: [] } }),
    ],
    [
      "a copy of the guard's",
      (context) => structuredClone({ authInfo: (context as { authInfo: object }).authInfo }),
    ],
  ])("takes no message with %s, and says what was forgotten", async (_name, given) => {
    const runs: Runs = [];
    const guarded = guardMcpServer(desk.guard, options(runs));
    const handler = createMcpHandler(guarded.create);
    const server = await serve((request) =>
      guarded.handle(request, (passed, context) => handler.fetch(passed, given(context))),
    );
    onTestFinished(() => server.stop());
    const response = await post(`${server.url}/mcp`, call("echo", { text: "hi" }));
    expect(response.status).toBe(500);
    expect(await response.text()).toContain("`authInfo` and `parsedBody`");
    expect(runs).toEqual([]);
  });

  it("takes no message by an HTTP request that was never decided", async () => {
    const runs: Runs = [];
    const guarded = guardMcpServer(desk.guard, options(runs));
    const handler = createMcpHandler(guarded.create);
    const server = await serve((request) => handler.fetch(request));
    onTestFinished(() => server.stop());
    const answer = await messageOf(await post(`${server.url}/mcp`, call("echo", { text: "hi" })));
    expect(answer).toMatchObject({ error: { code: -31403 } });
    expect(runs).toEqual([]);
  });

  it("hands the server what was decided, whatever the handler makes of it, and once", async () => {
    const runs: Runs = [];
    const guarded = guardMcpServer(desk.guard, options(runs));
    const server = await serve((request) =>
      guarded.handle(request, async (passed, { authInfo }) => {
        const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
        await (await guarded.create()).connect(transport);
        const two = [call("echo", { text: "other" }), call("spend", { amount: 99 }, 2)];
        return transport.handleRequest(passed, { authInfo, parsedBody: two });
      }),
    );
    onTestFinished(() => server.stop());
    const response = await post(`${server.url}/mcp`, call("echo", { text: "decided" }));
    const answers = (await response.json()) as { id: number; error?: unknown }[];
    expect(runs).toEqual([["echo", { text: "decided" }]]);
    expect(answers.find(({ id }) => id === 2)).toMatchObject({ error: { code: -31403 } });
  });

  it.each(["POST", "GET"])(
    "is found out by what it answers to a %s, and none of that goes out",
    async (method) => {
      const runs: Runs = [];
      const guarded = guardMcpServer(desk.guard, options(runs));
      const server = await serve((request) =>
        guarded.handle(request, async (passed, context) => {
          const transport = new WebStandardStreamableHTTPServerTransport({});
          // The server of `create`, and not of `guarded.create`.
          await lab2(runs).connect(transport);
          return transport.handleRequest(passed, context);
        }),
      );
      onTestFinished(() => server.stop());
      const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
      const headers = { ...as("noor user"), ...(method === "GET" && { accept: "text/event-stream" }) };
      const response = await fetch(server.url, {
        ...{ method, headers },
        ...(method === "POST" && { body: JSON.stringify(list) }),
      });
      expect(response.status).toBe(500);
      const said = await response.text();
      expect(said).toContain("createMcpHandler(guarded.create)");
      expect(said).not.toContain("forbidden");
    },
  );

  it("is found out behind Express, too", async () => {
    const guarded = guardExpress(desk.guard, { ...options([]), identify });
    const handler = toNodeHandler(createMcpHandler(() => lab2([])));
    const app = express();
    app.all("/mcp", guarded.handle, (req, res) => handler(req, res, req.body));
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const response = await post(`http://127.0.0.1:${port}/mcp`, {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/list",
    });
    expect(response.status).toBe(500);
    expect(await response.text()).toContain("createMcpHandler(guarded.create)");
  });

  it("serves one session, and not another's messages", async () => {
    const runs: Runs = [];
    const guarded = guardMcpServer(desk.guard, {
      ...options(runs),
      identify: (request) => ({
        principal: { id: request.headers.get("x-user") ?? "", roles: ["user"] },
        agent: { id: "assistant" },
      }),
    });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => "fixed",
      enableJsonResponse: true,
    });
    await (await guarded.create()).connect(transport);
    // An application that goes by nothing: every request reaches the one transport.
    const server = await serve((request) =>
      guarded.handle(request, (passed, context) => {
        passed.headers.set("mcp-session-id", "fixed");
        return transport.handleRequest(passed, context);
      }),
    );
    onTestFinished(() => server.stop());
    const url = `${server.url}/mcp`;
    await post(url, INITIALIZE, as("noor"));
    expect((await post(url, call("echo", { text: "hi" }), as("eve"))).status).toBe(500);
    expect(runs).toEqual([]);
  });
});

describe("a transport of one session", () => {
  it("is guarded once", async () => {
    const session = await desk.session("user");
    const transport = new WebStandardStreamableHTTPServerTransport({});
    expect(guardServerTransport(transport, session, { server: "lab" })).toBe(transport);
    expect(() => guardServerTransport(transport, session, { server: "lab" })).toThrow(ConfigurationError);
    expect(() => guardServerTransport(transport, session, { server: "Lab!" })).toThrow(
      /guardServerTransport\.server/,
    );
  });
});
