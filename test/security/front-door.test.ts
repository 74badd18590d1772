import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import Anthropic from "@anthropic-ai/sdk";
import { findDenial, type Guard } from "hopguard";
import { assertions, jwt } from "hopguard/identity";
import { exportJWK } from "jose";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Interception, Turn } from "../../examples/shared/local-provider";
import { openDesk, type Desk } from "../support/desk";
import { doorLines, type Door, type DoorOptions } from "../support/model-doors";
import { labPolicies } from "../support/lab-policies";
import { denialOf, rejection } from "../support/model-sdks";
import { post, sendBytes, type RawAnswer } from "../support/raw-requests";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://idp.example";
const AUDIENCE = "https://gateway.example";
const CHAT = "/v1/chat/completions";
const messages = [{ role: "user" as const, content: "Hello" }];
const hello = { model: "gpt-4o-mini", messages };
const fine = JSON.stringify(hello);
const denied = JSON.stringify({ ...hello, model: "gpt-4o" });
const JSON_TYPE = "Content-Type: application/json";
/** Another role, with a budget of 2,500 tokens a day. */
const policies = labPolicies.map((policy) =>
  policy.kind === "llm_model"
    ? {
        ...policy,
        rules: [
          ...policy.rules,
          {
            actions: ["completion"],
            effect: "EFFECT_ALLOW" as const,
            roles: ["budgeted"],
            condition: { match: { expr: "R.attr.context.usage.principal.day.tokens <= 2500" } },
          },
        ],
      }
    : policy,
);
const signer = new TokenSigner();
const claims = (sub = "u-1042", roles = ["analyst"]) => ({
  ...{ iss: ISSUER, aud: AUDIENCE, sub, roles, iat: seconds(), exp: seconds(600) },
});
/** A minute of text. */
const MINUTE = { text: "word ".repeat(2400), deltas: 2400, deltaDelayMs: 25 };

let desk: Desk;
let guard: Guard;
let token: string;
let answer: () => Interception | undefined | Promise<undefined>;
let turn: () => Turn;

beforeAll(async () => {
  desk = await openDesk({
    policies,
    provider: { intercept: () => answer(), turn: () => turn() },
  });
  token = await signer.sign(claims());
  const { privateKey } = signer.keys["es-1"];
  guard = desk.guardWith({
    identity: jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await signer.jwks() }),
    assertions: assertions({
      ...{ issuer: "https://gateway.example", algorithm: "ES256", kid: "es-1" },
      key: await exportJWK(privateKey),
    }),
  });
});
afterAll(() => desk.close());
beforeEach(() => {
  desk.reset();
  answer = () => undefined;
  turn = () => ({ text: "Hello yourself." });
});

describe.each(doorLines)("the front door of $line", ({ line, open }) => {
  let door: Door;
  const opened: Door[] = [];
  const openDoor = async (options: Partial<DoorOptions> = {}, of = guard): Promise<Door> => {
    door = await open(of, { api: "openai", agent: { id: "chat-app" }, ...options }, desk.provider.url);
    opened.push(door);
    return door;
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((each) => each.stop()));
  });
  const bearer = (): string => `Authorization: Bearer ${token}`;
  const nothingRan = (): void => {
    expect(door.handled).toEqual([]);
    expect(desk.provider.requests).toEqual([]);
  };
  const refused = ([response]: readonly RawAnswer[], status: number): void => {
    expect(response).toMatchObject({ status });
    expect(response?.head).toMatch(/content-type: application\/json/i);
    expect(response?.head).toMatch(/x-should-retry: false/i);
    expect(response?.body).not.toContain(token);
    const denial = findDenial(JSON.parse(response?.body ?? ""));
    expect(denial).toMatchObject({ retryable: false });
    expect(desk.records).toMatchObject([{ effect: "deny", decision_id: denial?.decision_id }]);
    nothingRan();
  };

  it.each([
    ["a member twice", `{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}`],
    ["members alike but for case", `{"model":"gpt-4o-mini","Model":"gpt-4o","messages":[]}`],
    ["a long s in the place of s", `{"model":"gpt-4o-mini","messages":[],"meſsages":[]}`],
    ["a member escaped", `{"model":"gpt-4o-mini","\\u006dodel":"gpt-4o","messages":[]}`],
    ["__proto__", `{"model":"gpt-4o-mini","messages":[],"__proto__":{"model":"gpt-4o"}}`],
    ["a lone surrogate", `{"model":"gpt-4o-mini","messages":[],"user":"\\ud800"}`],
    ["a number beyond every double", `{"model":"gpt-4o-mini","messages":[],"max_tokens":1e400}`],
    ["a number that a double changes", `{"model":"gpt-4o-mini","messages":[],"seed":9007199254740993}`],
    ["NaN", `{"model":"gpt-4o-mini","messages":[],"temperature":NaN}`],
    ["a byte order mark", Buffer.from(`\ufeff${fine}`)],
    ["NUL in a name", `{"model":"gpt-4o-mini","messages":[],"a\\u0000b":1}`],
    ["200 levels", `{"model":"gpt-4o-mini","messages":[],"metadata":${"[".repeat(200)}${"]".repeat(200)}}`],
    ["a list", `[${fine}]`],
    ["a text", JSON.stringify(fine)],
    ["two documents", `${fine}${fine}`],
    ["half a document", fine.slice(0, -1)],
    ["nothing but space", "  "],
    ["nothing", ""],
    ["UTF-16", Buffer.from(fine, "utf16le")],
    ["bytes that are no UTF-8", Buffer.concat([Buffer.from(fine.slice(0, -1)), Buffer.from([0xff, 0x7d])])],
    ["gzip that nobody has announced", gzipSync(fine)],
  ])("refuses a body with %s", async (_, body) => {
    const { port } = await openDoor();
    refused(await sendBytes(port, post(CHAT, [bearer(), JSON_TYPE], body)), 400);
  });

  it.each([
    ["plain text", ["Content-Type: text/plain"], fine],
    ["a form of a page's", ["Content-Type: application/x-www-form-urlencoded"], fine],
    ["no type", [], fine],
    ["an empty type", ["Content-Type:"], fine],
    ["another charset", ["Content-Type: application/json; charset=utf-16le"], Buffer.from(fine, "utf16le")],
    ["latin 1", ["Content-Type: application/json; charset=iso-8859-1"], fine],
    ["a second parameter", ["Content-Type: application/json; charset=utf-8; charset=utf-7"], fine],
    ["another kind of JSON", ["Content-Type: application/vnd.api+json"], fine],
    ["two types", [JSON_TYPE, "Content-Type: text/plain"], fine],
    ["the same type twice", [JSON_TYPE, JSON_TYPE], fine],
    ["two types in one line", ["Content-Type: application/json, text/plain"], fine],
    ["gzip", [JSON_TYPE, "Content-Encoding: gzip"], gzipSync(fine)],
    ["an encoding that is none", [JSON_TYPE, "Content-Encoding: identity"], fine],
    ["a form", ["Content-Type: multipart/form-data; boundary=b"], "--b--"],
  ])("refuses %s", async (_, headers, body) => {
    const { port } = await openDoor();
    refused(await sendBytes(port, post(CHAT, [bearer(), ...headers], body)), 415);
  });

  describe("limits", () => {
    it("refuses a body that says that it is too long, before a byte of it has come", async () => {
      const { port } = await openDoor({ limits: { maxLength: 1_000 } });
      const [head = ""] = post(CHAT, [bearer(), JSON_TYPE], "x".repeat(1_001));
      refused(await sendBytes(port, [head], { silenceMs: 500 }), 413);
    });

    it("reads no further than a body may be long", async () => {
      const { port } = await openDoor({ limits: { maxLength: 1_000 } });
      const head = [`POST ${CHAT} HTTP/1.1`, "Host: x", bearer(), JSON_TYPE, "Transfer-Encoding: chunked"];
      const chunk = `3e8\r\n${"x".repeat(1_000)}\r\n`;
      // It never ends.
      refused(await sendBytes(port, [`${head.join("\r\n")}\r\n\r\n`, chunk, chunk], { silenceMs: 500 }), 413);
    });

    it("takes a body that is just as long", async () => {
      const { port } = await openDoor({ limits: { maxLength: fine.length } });
      const [response] = await sendBytes(port, post(CHAT, [bearer(), JSON_TYPE], fine));
      expect(response?.status).toBe(200);
    });
  });

  it.each([
    ["both a length and chunks", ["Transfer-Encoding: chunked"], `0\r\n\r\n${fine}`],
    ["two lengths", ["Content-Length: 5"], fine],
    ["a length that is no number", [], fine, (head: string) => head.replace(/Length: \d+/, "Length: 0x40")],
    ["a header folded", ["X-Folded: a", " b"], fine],
    ["a space before the colon", ["Authorization : Bearer x"], fine],
  ])(
    "leaves %s to the server, which refuses it",
    async (_, headers, body, change = (head: string) => head) => {
      const { port } = await openDoor();
      const [head, bytes = ""] = post(CHAT, [bearer(), JSON_TYPE, ...headers], body);
      const [response] = await sendBytes(port, [change(String(head)), bytes]);
      expect(response?.status).toBe(400);
      nothingRan();
    },
  );

  it("runs no handler for a body that is cut short", async () => {
    const { port } = await openDoor();
    const [head, bytes] = post(CHAT, [bearer(), JSON_TYPE], `${fine}          `);
    await sendBytes(port, [head ?? "", bytes?.slice(0, -5) ?? ""], { hangUp: true });
    await sleep(100);
    nothingRan();
  });

  it("runs no handler for a length that ends within the document", async () => {
    const { port } = await openDoor();
    const [head = ""] = post(CHAT, [bearer(), JSON_TYPE], fine.slice(0, 20));
    // The server takes the rest for another request, and may be the first to refuse.
    const [response] = await sendBytes(port, [head, fine]);
    expect(response?.status).toBe(400);
    await sleep(50);
    nothingRan();
  });

  it("takes chunks, and nothing from what trails them", async () => {
    const { port } = await openDoor();
    const head = (more: string): string =>
      `POST ${CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${JSON_TYPE}\r\n${more}\r\n`;
    const chunks = fine.replace(/./g, (char) => `1\r\n${char}\r\n`);
    const [allowed] = await sendBytes(port, [
      head(`${bearer()}\r\n`),
      `${chunks}0\r\nX-Model: gpt-4o\r\n\r\n`,
    ]);
    expect(allowed?.status).toBe(200);
    expect(door.handled).toHaveLength(1);
    const [nobody] = await sendBytes(port, [head(""), `${chunks}0\r\n${bearer()}\r\n\r\n`]);
    expect(nobody?.status).toBe(401);
    expect(door.handled).toHaveLength(1);
  });

  it.each(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])(
    "does not know %s of an endpoint that is posted to",
    async (method) => {
      const { port } = await openDoor();
      const request = `${method} ${CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${bearer()}\r\n\r\n`;
      const [response] = await sendBytes(port, [request]);
      // The router of Hono 4.0 fails at methods that HTTP itself does not have, and no middleware runs.
      const isUnrouted = line === "hopguard/hono, on 4.0" && method === "PROPFIND";
      expect(response?.status).toBe(isUnrouted ? 500 : 403);
      if (method !== "HEAD" && !isUnrouted) {
        const denial = findDenial(JSON.parse(response?.body ?? ""));
        expect(denial).toMatchObject({ code: "unsupported_hop" });
        expect(denial?.reason).toContain("the option `endpoints` admits it");
      }
      nothingRan();
    },
  );

  it.each([
    ["another case", "/V1/chat/completions"],
    ["another case below", "/v1/Chat/completions"],
    ["a slash behind", "/v1/chat/completions/"],
    ["a slash twice", "/v1//chat/completions"],
    ["a slash twice in front", "//v1/chat/completions"],
    ["an encoded slash", "/v1/chat%2fcompletions"],
    ["an encoded letter", "/v1/%63hat/completions"],
    ["an encoded base", "/%761/chat/completions"],
    ["a dot", "/v1/./chat/completions"],
    ["two dots", "/v1/models/../chat/completions"],
    ["encoded dots", "/v1/models/%2e%2e/chat/completions"],
    ["a backslash", "/v1\\chat\\completions"],
    ["a parameter", "/v1/chat/completions;x=1"],
    ["NUL", "/v1/chat/completions%00"],
    ["a query with a model", "/v1/chat/completions?model=gpt-4o-mini"],
    ["a whole URL", "http://gateway.example/v1/chat/completions"],
    ["another host", "http://elsewhere.example/v1/chat/completions"],
  ])("lets nothing past itself by a path with %s", async (_, path) => {
    const { port } = await openDoor();
    const [response] = await sendBytes(port, post(path, [bearer(), JSON_TYPE], denied));
    expect(response?.status).toBeGreaterThanOrEqual(400);
    expect(response?.status).toBeLessThan(500);
    nothingRan();
  });

  it.each([
    ["X-HTTP-Method-Override: GET"],
    ["X-Original-URL: /v1/models"],
    ["X-Rewrite-Url: /v1/models"],
    ["X-Forwarded-Prefix: /admin"],
    ["X-Model: gpt-4o"],
  ])("refuses the header %s", async (header) => {
    const { port } = await openDoor();
    refused(await sendBytes(port, post(CHAT, [bearer(), JSON_TYPE, header], fine)), 403);
  });

  it.each([
    ["two tokens", () => [bearer(), "Authorization: Bearer other"]],
    ["the same token twice", () => [bearer(), bearer()]],
    ["another scheme", () => ["Authorization: Basic YTpi"]],
    ["a token in the query's place", () => []],
  ])("knows nobody by %s", async (_, headers) => {
    const { port } = await openDoor();
    const path = headers().length === 0 ? `${CHAT}?access_token=${token}` : CHAT;
    const [response] = await sendBytes(port, post(path, [...headers(), JSON_TYPE], fine));
    expect(response?.status).toBe(401);
    expect(response?.head).toMatch(/www-authenticate: bearer realm/i);
    expect(findDenial(JSON.parse(response?.body ?? ""))).toMatchObject({ code: "unauthenticated" });
    expect(desk.records).toMatchObject([{ effect: "deny", code: "unauthenticated" }]);
    expect(JSON.stringify(desk.records)).not.toContain(token);
    nothingRan();
  });

  it("answers each request of a pipeline for itself", async () => {
    const { port } = await openDoor();
    const keep = (body: string): string => {
      const head = [`POST ${CHAT} HTTP/1.1`, "Host: x", bearer(), JSON_TYPE];
      return `${head.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    };
    const responses = await sendBytes(port, [keep(denied), keep(fine), ...post(CHAT, [JSON_TYPE], fine)]);
    expect(responses.map(({ status }) => status)).toEqual([403, 200, 401]);
    expect(door.handled).toHaveLength(1);
  });

  it("keeps an assertion that the caller brings to itself, and adds its own", async () => {
    const { port } = await openDoor();
    const forged = "Hopguard-Assertion: forged";
    await sendBytes(port, post(CHAT, [bearer(), JSON_TYPE, forged], fine));
    expect(desk.provider.requests[0]?.headers).not.toHaveProperty("hopguard-assertion");
    const asserting = await openDoor({ assertion: { audience: "https://backend.example" } });
    await sendBytes(asserting.port, post(CHAT, [bearer(), JSON_TYPE, forged], fine));
    expect(desk.provider.requests[1]?.headers["hopguard-assertion"]).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  it("takes the API below another path, and no other way to it", async () => {
    const { port } = await openDoor({ basePath: "/v1/openai" });
    answer = () => ({ status: 200, body: {} });
    const [below] = await sendBytes(
      port,
      post("/v1/openai/v1/chat/completions", [bearer(), JSON_TYPE], fine),
    );
    expect(below?.status).toBe(200);
    for (const path of [CHAT, "/v1/openai-x/chat/completions", "/v1/OpenAI/chat/completions"]) {
      const [beside] = await sendBytes(port, post(path, [bearer(), JSON_TYPE], fine));
      expect(beside?.status).toBe(403);
    }
    expect(door.handled).toHaveLength(1);
  });

  describe("the answer", () => {
    const clientOf = async (sub: string, of?: Guard, options: Partial<DoorOptions> = {}): Promise<OpenAI> => {
      const { url } = await openDoor(options, of);
      const apiKey = await signer.sign(claims(sub));
      return new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
    };

    it("ends within a second when authority is withdrawn", async () => {
      turn = () => MINUTE;
      const client = await clientOf(`midway-${line}`);
      const stream = await client.chat.completions.create({ ...hello, stream: true });
      const reading = rejection(
        (async () => {
          for await (const { choices } of stream) expect(choices).toHaveLength(1);
        })(),
      );
      await sleep(200);
      const start = Date.now();
      await guard.revoke({ principal: `midway-${line}` });
      await reading;
      expect(Date.now() - start).toBeLessThan(1_500);
      await expect.poll(() => desk.provider.abortedRequests).toBe(1);
      const error = await rejection(client.chat.completions.create(hello));
      expect(findDenial(error)).toMatchObject({ code: "revoked" });
    });

    it("is a denial when authority is withdrawn before it has begun", async () => {
      let resolve: ((nothing: undefined) => void) | undefined;
      const silence = new Promise<undefined>((end) => (resolve = end));
      answer = () => silence;
      const client = await clientOf(`before-${line}`);
      const call = rejection(client.chat.completions.create(hello));
      await expect.poll(() => desk.provider.requests.length).toBe(1);
      await guard.revoke({ principal: `before-${line}` });
      const error = await call;
      expect(error).toMatchObject({ status: 403 });
      expect(findDenial(error)).toMatchObject({ code: "revoked" });
      resolve?.(undefined);
    });

    it("is given up at the provider when the caller goes", async () => {
      turn = () => MINUTE;
      const client = await clientOf("goes");
      const stream = await client.chat.completions.create({ ...hello, stream: true });
      for await (const { choices } of stream) if (choices.length > 0) break;
      await expect.poll(() => desk.provider.abortedRequests).toBe(1);
    });

    it("is asked what it has used, which is counted, and the chunk that says so is shown to nobody", async () => {
      turn = () => ({ text: "Hello.", usage: { input: 40, output: 60 } });
      const identity = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await signer.jwks() });
      const { url } = await openDoor({}, desk.guardWith({ identity, usage: {} }));
      const apiKey = await signer.sign(claims("counted", ["budgeted"]));
      const client = new OpenAI({ apiKey, baseURL: `${url}/v1` });
      // What is reserved for three calls at once is beyond the budget, and what these have used is not.
      for (let round = 0; round < 5; round++) {
        await client.chat.completions.create({ ...hello, max_completion_tokens: 1_000 });
        for await (const { choices } of await client.chat.completions.create({
          ...hello,
          ...{ max_completion_tokens: 1_000, stream: true },
        }))
          expect(choices).toHaveLength(1);
      }
      expect(desk.provider.requests[1]?.body).toMatchObject({ stream_options: { include_usage: true } });
      turn = () => ({ text: "Hello.", usage: { input: 40, output: 2_000 } });
      await client.chat.completions.create({ ...hello, max_completion_tokens: 1_000 });
      const denial = await denialOf(
        client.chat.completions.create({ ...hello, max_completion_tokens: 1_000 }),
      );
      expect(denial).toMatchObject({ code: "policy_denied" });
      expect(door.handled).toHaveLength(11);
    });

    it("has the tool calls in it checked", async () => {
      turn = () => ({ toolCalls: [{ name: "refund", arguments: { amount_cents: 900_000 } }] });
      const tools = {
        note: { toolset: "desk" },
        refund: { toolset: "desk" },
      };
      const client = await clientOf("checked", guard, { tools });
      const refund = {
        type: "function" as const,
        function: {
          name: "refund",
          parameters: { type: "object", properties: { amount_cents: { type: "integer" } } },
        },
      };
      const called = await client.chat.completions.create({ ...hello, tools: [refund] });
      expect(called.choices[0]?.message.tool_calls ?? []).toEqual([]);
      let streamed = 0;
      const stream = await client.chat.completions.create({ ...hello, tools: [refund], stream: true });
      for await (const { choices } of stream) streamed += choices[0]?.delta.tool_calls?.length ?? 0;
      expect(streamed).toBe(0);
    });

    it("is passed on with its status and headers when it is an error of the provider's", async () => {
      answer = () => ({
        status: 429,
        headers: { "retry-after": "7", "content-type": "application/json" },
        body: { error: { message: "slow down" } },
      });
      const client = await clientOf("limited");
      const error = await rejection(client.chat.completions.create(hello));
      expect(error).toBeInstanceOf(OpenAI.RateLimitError);
      expect((error as InstanceType<typeof OpenAI.RateLimitError>).headers.get("retry-after")).toBe("7");
    });

    it("is no list of models where it cannot be read as one", async () => {
      answer = () => ({ status: 200, body: { models: ["gpt-4o"] } });
      const client = await clientOf("lists");
      expect(await denialOf(client.models.list())).toMatchObject({ code: "unsupported_hop" });
    });

    it("begins with its head, and comes piece by piece", async () => {
      turn = () => ({ text: "one two three four", deltas: 4, deltaDelayMs: 150 });
      const { url } = await openDoor({ api: "anthropic" });
      const client = new Anthropic({ authToken: token, apiKey: null, baseURL: url });
      const times: number[] = [];
      const stream = client.messages.stream({ model: "claude-haiku-5-5", messages, max_tokens: 10 });
      stream.on("text", () => times.push(Date.now()));
      await stream.finalMessage();
      expect(times).toHaveLength(4);
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(200);
    });
  });
});
