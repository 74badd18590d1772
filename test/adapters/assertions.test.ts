import { exportJWK } from "jose";
import Anthropic from "@anthropic-ai/sdk";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { findDenial, type AssertionSigner, type GuardOptions, type Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch } from "hopguard/fetch";
import {
  ASSERTION_HEADER,
  ASSERTION_META_KEY,
  assertions,
  assertionVerifier,
  type AssertionVerifier,
} from "hopguard/identity";
import { guardTransport } from "hopguard/mcp";
import { guardOpenAI } from "hopguard/openai";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { MCP_CLIENTS } from "../support/mcp-clients";
import { LAB_POLICY } from "../support/mcp-policy";
import { rawText, rawTool, startRawMcpServer, type RawRequest } from "../support/raw-mcp-server";
import { TokenSigner } from "../support/token-signer";

const ISSUER = "https://agents.example";
const AUDIENCE = "https://lab.example";
const keys = new TokenSigner();
const FORGED = "e30.e30.e30";

let desk: Desk;
let signer: AssertionSigner;
let verifier: AssertionVerifier;
beforeAll(async () => {
  desk = await openDesk({ policies: [LAB_POLICY, ...labPolicies] });
  const key = await exportJWK(keys.keys["ed-1"].privateKey);
  signer = assertions({ issuer: ISSUER, key, algorithm: "EdDSA", kid: "ed-1" });
  verifier = assertionVerifier({ issuer: ISSUER, audience: AUDIENCE, keys: await keys.jwks() });
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

const sessionOf = (role: string, guard: Partial<GuardOptions> = {}): Promise<Session> =>
  desk.session(role, { guard: { assertions: signer, ...guard } });
const broken: AssertionSigner = { sign: () => Promise.reject(new Error("the key is away")) };

describe("a tool call at an MCP server", () => {
  const spend = {
    ...rawTool("spend"),
    inputSchema: { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] },
  };

  /** A server that notes what reaches it, and runs every tool. */
  async function server() {
    const seen: RawRequest[] = [];
    const running = await startRawMcpServer((request) => {
      seen.push(request);
      if (request.method === "tools/list") return { tools: [rawTool("echo"), spend, rawTool("forbidden")] };
      return request.method === "tools/call" ? rawText("done") : undefined;
    });
    onTestFinished(() => running.stop());
    const calls = () => seen.filter(({ method }) => method === "tools/call").map(({ params = {} }) => params);
    return { url: running.url, seen, calls };
  }
  const metaOf = (params: Readonly<Record<string, unknown>> | undefined) =>
    (params?._meta ?? {}) as Readonly<Record<string, unknown>>;
  const assertionOf = (params: Readonly<Record<string, unknown>> | undefined) =>
    metaOf(params)[ASSERTION_META_KEY] as string;
  const hop = (tool: string) => ({ kind: "mcp_lab", name: "lab", action: `tools/call/${tool}` });

  describe.each(MCP_CLIENTS)("by $name", ({ connect, callTool }) => {
    it("carries what was decided, and not what the agent says", async () => {
      const { url, calls } = await server();
      const options = { server: "lab", assertion: { audience: AUDIENCE } };
      const client = await connect(url, await sessionOf("user"), options);
      const forged = { "Dev.Hopguard/Assertion": FORGED, trace: "T" };
      const given = { name: "spend", arguments: { amount: 7 }, _meta: forged };
      expect(await callTool(client, given)).toMatchObject(rawText("done"));

      const [params] = calls();
      expect(metaOf(params)).toMatchObject({ trace: "T" });
      expect(JSON.stringify(params)).not.toContain(FORGED);
      const assertion = assertionOf(params);
      const args = params?.arguments;
      const more = { arguments: { amount: 70 } };
      await expect(verifier.verify(assertion, { hop: hop("spend"), ...more })).rejects.toThrow("arguments");
      await expect(verifier.verify(assertion, { hop: hop("echo"), arguments: args })).rejects.toThrow();
      const decided = desk.records.find(({ hop: { action } }) => action === "tools/call/spend");
      expect(await verifier.verify(assertion, { hop: hop("spend"), arguments: args })).toMatchObject({
        subject: "user-id",
        agent: "test-agent",
        task: "T-1001",
        decisionId: decided?.decision_id,
      });
      await expect(verifier.verify(assertion, { hop: hop("spend"), arguments: args })).rejects.toThrow(
        "before",
      );
    });

    it("carries nothing where nobody wants it, and then nothing of the agent's either", async () => {
      const { url, calls } = await server();
      const client = await connect(url, await sessionOf("user"), { server: "lab" });
      const forged = { [ASSERTION_META_KEY]: FORGED };
      expect(await callTool(client, { name: "echo", arguments: {}, _meta: forged } as never)).toBeDefined();
      expect(calls()).toHaveLength(1);
      expect(metaOf(calls()[0])).not.toHaveProperty([ASSERTION_META_KEY]);
    });

    it("is not sent when it is denied, nor when nobody can sign", async () => {
      const { url, calls } = await server();
      const options = { server: "lab", assertion: { audience: AUDIENCE } };
      const signed: string[] = [];
      const noting: AssertionSigner = {
        sign: (asserted, audience) => {
          signed.push(asserted.hop.action);
          return signer.sign(asserted, audience);
        },
      };
      const client = await connect(url, await sessionOf("user", { assertions: noting }), options);
      const denied = await callTool(client, { name: "spend", arguments: { amount: 11 } });
      expect(findDenial(denied)).toMatchObject({ code: "policy_denied" });
      expect(signed).toEqual([]);

      const unsigned = await connect(url, await sessionOf("user", { assertions: broken }), options);
      const refused = await callTool(unsigned, { name: "echo", arguments: {} });
      expect(findDenial(refused)).toMatchObject({ code: "unsupported_hop" });
      expect(calls()).toEqual([]);
    });
  });

  /** A transport in the test's hands, for what no client sends. */
  async function raw(session: Session, assertion?: { readonly audience: string }) {
    const [near, far] = InMemoryTransport.createLinkedPair();
    const guarded = guardTransport(near, session, { server: "lab", ...(assertion && { assertion }) });
    const sent: RawRequest[] = [];
    const received: unknown[] = [];
    const errors: Error[] = [];
    far.onmessage = (message) => {
      sent.push(message as RawRequest);
      const { id, method } = message as RawRequest;
      const tools = [rawTool("echo"), spend];
      if (id === undefined) return;
      void far.send({ jsonrpc: "2.0", id, result: method === "tools/list" ? { tools } : rawText("done") });
    };
    guarded.onmessage = (message) => void received.push(message);
    guarded.onerror = (error) => void errors.push(error);
    await far.start();
    await guarded.start();
    onTestFinished(() => guarded.close());
    return { guarded, sent, received, errors };
  }
  const forged = { [ASSERTION_META_KEY]: FORGED, other: 1 };

  it.each(["tools/list", "resources/list", "ping"])(
    "is alone in carrying one: of %s nothing is asserted, and nothing passed on",
    async (method) => {
      const { guarded, sent } = await raw(await sessionOf("user"), { audience: AUDIENCE });
      await guarded.send({ jsonrpc: "2.0", id: 1, method, params: { _meta: forged } });
      expect(sent).toMatchObject([{ method, params: { _meta: { other: 1 } } }]);
      expect(JSON.stringify(sent)).not.toContain("hopguard");
    },
  );

  it("and a notification passes nothing on", async () => {
    const { guarded, sent } = await raw(await sessionOf("user"), { audience: AUDIENCE });
    const params = { progressToken: 1, progress: 1, _meta: forged };
    await guarded.send({ jsonrpc: "2.0", method: "notifications/progress", params });
    expect(sent).toMatchObject([{ method: "notifications/progress" }]);
    expect(JSON.stringify(sent)).not.toContain("hopguard");
  });

  it("asserts the arguments that are sent, as the schema has made them", async () => {
    const { guarded, sent } = await raw(await sessionOf("user"), { audience: AUDIENCE });
    const given = { name: "spend", arguments: { amount: 3, nothing: undefined } };
    await guarded.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: given });
    const params = sent.find(({ method }) => method === "tools/call")?.params;
    expect(await verifier.verify(assertionOf(params), { arguments: params?.arguments })).toBeDefined();
  });

  it("that cannot be signed has not happened, and the operator hears why", async () => {
    const session = await desk.session("user");
    const { guarded, sent, received, errors } = await raw(session, { audience: AUDIENCE });
    const params = { name: "echo", arguments: {} };
    await guarded.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    expect(sent.map(({ method }) => method)).toEqual(["tools/list"]);
    expect(findDenial((received[0] as { result: unknown }).result)).toMatchObject({
      code: "unsupported_hop",
    });
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining("`assertions`")]);
    // It is none of the calls that policies may build on, and what it had reserved is given back.
    expect(desk.records.map(({ effect, hop }) => [effect, hop.action])).toContainEqual([
      "deny",
      "tools/call",
    ]);
  });

  it("is not sent when the client gave up while it was signed", async () => {
    let release: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (release = resolve));
    let begun: () => void = () => undefined;
    const signing = new Promise<void>((resolve) => (begun = resolve));
    const slow: AssertionSigner = {
      sign: async (asserted, audience) => {
        begun();
        await waiting;
        return signer.sign(asserted, audience);
      },
    };
    const { guarded, sent } = await raw(await sessionOf("user", { assertions: slow }), {
      audience: AUDIENCE,
    });
    const params = { name: "echo", arguments: {} };
    const sending = guarded.send({ jsonrpc: "2.0", id: 7, method: "tools/call", params });
    await signing;
    await guarded.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } });
    release();
    await sending;
    expect(sent.map(({ method }) => method)).toEqual(["tools/list"]);
  });

  it("is asserted to somebody: an option without an audience is none", async () => {
    const [near] = InMemoryTransport.createLinkedPair();
    const session = await sessionOf("user");
    const make = (assertion: unknown) => () =>
      guardTransport(near, session, { server: "lab", assertion } as never);
    expect(make({})).toThrow("guardTransport.assertion.audience");
    expect(make({ audience: "" })).toThrow("guardTransport.assertion.audience");
    expect(make({ audience: AUDIENCE, header: "x" })).toThrow("guardTransport.assertion");
  });
});

describe("a call of a model", () => {
  const mini = { model: "gpt-4o-mini", messages: [{ role: "user" as const, content: "Hello" }] };
  const chat = () => `${desk.provider.openaiBaseURL}/chat/completions`;
  const init = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const guarded = async (assertion?: { audience: string }, session?: Session) =>
    guardFetch(session ?? (await sessionOf("analyst")), {
      baseURL: desk.provider.openaiBaseURL,
      ...(assertion && { assertion }),
    });
  const headersOf = (index = 0) => desk.provider.requests[index]?.headers ?? {};
  const hop = { kind: "llm_model", name: "gpt-4o-mini", action: "completion" };

  it("carries what was decided, and not what the agent says", async () => {
    const fetch = await guarded({ audience: AUDIENCE });
    const response = await fetch(chat(), init(mini, { "Hopguard-Assertion": FORGED, "x-other": "1" }));
    expect(response.status).toBe(200);
    expect(headersOf()["x-other"]).toBe("1");
    expect(await verifier.verify(headersOf()[ASSERTION_HEADER], { hop })).toMatchObject({
      subject: "analyst-id",
      agent: "test-agent",
      hop,
    });
  });

  it.each<[string, () => Parameters<typeof fetch>]>([
    ["headers", () => [chat(), init(mini, { "HOPGUARD-ASSERTION": FORGED })]],
    ["a Request", () => [new Request(chat(), init(mini, { [ASSERTION_HEADER]: FORGED }))]],
    [
      "a catalogue",
      () => [`${desk.provider.openaiBaseURL}/models`, { headers: { [ASSERTION_HEADER]: FORGED } }],
    ],
  ])("carries nothing where nobody wants it, and then nothing of the agent's either: %s", async (_, call) => {
    const fetch = await guarded();
    await fetch(...call());
    expect(desk.provider.requests).toHaveLength(1);
    expect(headersOf()).not.toHaveProperty([ASSERTION_HEADER]);
  });

  it("carries one by the SDKs, and another one for each attempt", async () => {
    const session = await sessionOf("analyst");
    const assertion = { audience: AUDIENCE };
    const openai = guardOpenAI(new OpenAI({ apiKey: "k", baseURL: desk.provider.openaiBaseURL }), session, {
      assertion,
    });
    const own = { headers: { [ASSERTION_HEADER]: FORGED } };
    await openai.chat.completions.create(mini, own);
    await openai.withOptions({ defaultHeaders: own.headers }).chat.completions.create(mini);
    const anthropic = guardAnthropic(new Anthropic({ apiKey: "k", baseURL: desk.provider.url }), session, {
      assertion,
    });
    await anthropic.messages.create({ ...mini, max_tokens: 10, model: "claude-haiku-5-5" }, own);
    expect(desk.provider.requests).toHaveLength(3);
    const verified = await Promise.all(
      [0, 1, 2].map((index) => verifier.verify(headersOf(index)[ASSERTION_HEADER])),
    );
    expect(verified.map(({ hop }) => hop.name)).toEqual(["gpt-4o-mini", "gpt-4o-mini", "claude-haiku-5-5"]);
  });

  it("is not sent when it is denied, nor when nobody can sign", async () => {
    const denied = await (await guarded({ audience: AUDIENCE }))(chat(), init({ ...mini, model: "gpt-4o" }));
    expect(findDenial(await denied.json())).toMatchObject({ code: "policy_denied" });
    for (const session of [
      await desk.session("analyst"),
      await sessionOf("analyst", { assertions: broken }),
    ]) {
      const refused = await (await guarded({ audience: AUDIENCE }, session))(chat(), init(mini));
      expect(refused.status).toBe(403);
      expect(findDenial(await refused.json())).toMatchObject({
        code: "unsupported_hop",
        reason: "The call could not be asserted.",
      });
    }
    expect(desk.provider.requests).toEqual([]);
  });

  it("is asserted to somebody: an option without an audience is none", async () => {
    await expect(guarded({ audience: "" })).rejects.toThrow("guardFetch.assertion.audience");
    await expect(guarded({} as never)).rejects.toThrow("guardFetch.assertion.audience");
  });
});
