import Anthropic, { PermissionDeniedError as AnthropicDenied } from "@anthropic-ai/sdk";
import { ConfigurationError, findDenial, type Guard } from "hopguard";
import { authorize, guardRequests } from "hopguard/http";
import { jwt } from "hopguard/identity";
import OpenAI, { AuthenticationError, PermissionDeniedError } from "openai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { doorLines, type Door, type DoorOptions } from "../support/model-doors";
import { labPolicies } from "../support/lab-policies";
import { denialOf, rejection } from "../support/model-sdks";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://idp.example";
const AUDIENCE = "https://gateway.example";
const messages = [{ role: "user" as const, content: "Hello" }];
const hello = { model: "gpt-4o-mini", messages };
const bonjour = { model: "claude-haiku-5-5", messages, max_tokens: 100 };
const signer = new TokenSigner();
const claims = (sub = "u-1042", more: object = {}) => ({
  ...{ iss: ISSUER, aud: AUDIENCE, sub, roles: ["analyst"], iat: seconds(), exp: seconds(600) },
  ...more,
});

let desk: Desk;
let guard: Guard;

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  const jwks = await signer.jwks();
  guard = desk.guardWith({ identity: jwt({ issuer: ISSUER, audience: AUDIENCE, jwks }) });
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

describe.each(doorLines)("$line", ({ open }) => {
  let door: Door;
  const opened: Door[] = [];
  const openDoor = async (options: Partial<DoorOptions> = {}): Promise<Door> => {
    const who = options.identify ? {} : { agent: { id: "chat-app" } };
    door = await open(guard, { api: "openai", ...who, ...options }, desk.provider.url);
    opened.push(door);
    return door;
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((each) => each.stop()));
  });

  const openai = async (sub?: string, options: Partial<DoorOptions> = {}): Promise<OpenAI> => {
    const { url } = await openDoor(options);
    return openaiAt(url, await signer.sign(claims(sub)));
  };
  const openaiAt = (url: string, apiKey: string): OpenAI => new OpenAI({ apiKey, baseURL: `${url}/v1` });
  const nothingRan = (): void => {
    expect(door.handled).toEqual([]);
    expect(desk.provider.requests).toEqual([]);
  };

  it("hands on what is allowed, and answers as the provider does", async () => {
    const client = await openai();
    const answer = await client.chat.completions.create({ ...hello, temperature: 0.25 });
    expect(answer.choices[0]?.message.content).toBe("This is gpt-4o-mini.");
    expect(desk.provider.requests).toMatchObject([
      {
        path: "/v1/chat/completions",
        headers: { authorization: "Bearer sk-of-the-gateway", "content-type": "application/json" },
        body: { ...hello, temperature: 0.25 },
      },
    ]);
    expect(desk.records).toMatchObject([
      {
        effect: "allow",
        hop: { kind: "llm_model", name: "gpt-4o-mini", action: "completion" },
        subject: { id: "u-1042" },
        agent: { id: "chat-app" },
      },
    ]);
  });

  it("answers what is denied in the way that the SDK raises, and runs no handler", async () => {
    const client = await openai();
    const error = await rejection(client.chat.completions.create({ ...hello, model: "gpt-4o" }));
    expect(error).toBeInstanceOf(PermissionDeniedError);
    expect(findDenial(error)).toMatchObject({ code: "policy_denied", hop: { name: "gpt-4o" } });
    expect(desk.records).toHaveLength(1);
    nothingRan();
  });

  it("streams", async () => {
    const client = await openai();
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...hello, stream: true }))
      text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe("This is gpt-4o-mini.");
    const denied = client.chat.completions.stream({ ...hello, model: "gpt-4o" });
    expect(await denialOf(denied.finalContent())).toMatchObject({ code: "policy_denied" });
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("speaks Anthropic's format", async () => {
    const { url } = await openDoor({ api: "anthropic" });
    const client = new Anthropic({ authToken: await signer.sign(claims()), apiKey: null, baseURL: url });
    const answer = await client.messages.create(bonjour);
    expect(answer.content).toMatchObject([{ type: "text", text: "This is claude-haiku-5-5." }]);
    const streamed = await client.messages.stream(bonjour).finalText();
    expect(streamed).toBe("This is claude-haiku-5-5.");
    const error = await rejection(client.messages.create({ ...bonjour, model: "claude-opus-5-5" }));
    expect(error).toBeInstanceOf(AnthropicDenied);
    expect(findDenial(error)).toMatchObject({ code: "policy_denied", hop: { name: "claude-opus-5-5" } });
    expect(door.handled).toHaveLength(2);
  });

  it("takes embeddings, forms with files, and the batches of a file", async () => {
    const client = await openai();
    const { data } = await client.embeddings.create({ model: "text-embedding-3-small", input: "Hello" });
    expect(data).toHaveLength(1);
    const file = new File(["RIFF"], "hello.wav", { type: "audio/wav" });
    await client.audio.transcriptions.create({ model: "gpt-4o-mini-transcribe", file });
    const body = { custom_id: "r-1", method: "POST", url: "/v1/chat/completions", body: hello };
    const lines = new File([JSON.stringify(body)], "lines.jsonl");
    const { id } = await client.files.create({ file: lines, purpose: "batch" });
    const batch = await client.batches.create({
      input_file_id: id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    expect((await client.batches.retrieve(batch.id)).status).toBe("completed");
    const bad = new File([JSON.stringify({ ...body, body: { ...hello, model: "gpt-4o" } })], "lines.jsonl");
    const handled = door.handled.length;
    expect(await denialOf(client.files.create({ file: bad, purpose: "batch" }))).toMatchObject({
      code: "policy_denied",
    });
    expect(door.handled).toHaveLength(handled);
  });

  it("keeps what one user has created from every other", async () => {
    const client = await openai("u-1");
    const body = { custom_id: "r-1", method: "POST", url: "/v1/chat/completions", body: hello };
    const lines = new File([JSON.stringify(body)], "lines.jsonl");
    const { id } = await client.files.create({ file: lines, purpose: "batch" });
    const other = openaiAt(door.url, await signer.sign(claims("u-2")));
    const handled = door.handled.length;
    const run = { input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
    expect(await denialOf(other.batches.create(run))).toMatchObject({ code: "unsupported_hop" });
    expect(await denialOf(other.files.delete(id))).toMatchObject({ code: "unsupported_hop" });
    expect(door.handled).toHaveLength(handled);
    await client.batches.create(run);
  });

  it("lets nobody go on with what another has said, by whatever the provider keeps it under", async () => {
    const client = await openai("u-1");
    const turn = { model: "gpt-4o-mini", input: "Hello" };
    const { id } = await client.responses.create(turn);
    const stream = await client.responses.create({ ...turn, stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    const streamed = events.flatMap((event) => (event.type === "response.created" ? event.response.id : []));
    expect(streamed).toHaveLength(1);
    const { id: unkept } = await client.responses.create({ ...turn, store: false });
    const other = openaiAt(door.url, await signer.sign(claims("u-2")));
    const handled = door.handled.length;
    for (const by of [{ previous_response_id: id }, { previous_response_id: streamed[0] ?? "" }]) {
      const denials = await Promise.all([
        denialOf(other.responses.create({ ...turn, ...by })),
        denialOf(other.responses.create({ ...turn, ...by, stream: true })),
        denialOf(other.responses.inputTokens.count({ ...turn, ...by })),
        denialOf(client.responses.create({ ...turn, ...by, conversation: "conv_1" })),
      ]);
      expect(denials.map(({ code }) => code)).toEqual(Array(4).fill("unsupported_hop"));
      const line = { custom_id: "r-1", method: "POST", url: "/v1/responses", body: { ...turn, ...by } };
      const file = new File([JSON.stringify(line)], "lines.jsonl");
      expect(await denialOf(other.files.create({ file, purpose: "batch" }))).toMatchObject({
        code: "unsupported_hop",
      });
    }
    for (const by of [{ conversation: { id: "conv_1" } }, { previous_response_id: unkept }])
      expect(await denialOf(client.responses.create({ ...turn, ...by }))).toMatchObject({
        code: "unsupported_hop",
      });
    expect(door.handled).toHaveLength(handled);
    const next = await client.responses.create({ ...turn, previous_response_id: id, conversation: null });
    await client.responses.create({ ...turn, previous_response_id: next.id, stream: true });
    await client.responses.create({ ...turn, previous_response_id: streamed[0] ?? "" });
    const admitting = await openai("u-2", { conversations: "any" });
    await admitting.responses.create({ ...turn, previous_response_id: id });
    await admitting.responses.create({ ...turn, conversation: "conv_1" });
  });

  it("lists the models that this user may see", async () => {
    const client = await openai();
    const models = [];
    for await (const { id } of client.models.list()) models.push(id);
    expect(models).toContain("gpt-4o-mini");
    expect(models).not.toContain("gpt-4o");
  });

  it.each([
    ["no token", () => undefined],
    ["a token that is none", () => "sk-local"],
    ["an expired one", () => signer.sign(claims("u-1", { exp: seconds(-600) }))],
    ["one without an end", () => signer.sign({ ...claims(), exp: undefined })],
    ["one for another audience", () => signer.sign(claims("u-1", { aud: "https://other.example" }))],
    ["one of another issuer", () => signer.sign(claims("u-1", { iss: "https://other.example" }))],
    ["one signed with the public key", () => signer.signWithPublicKey(claims(), "rsa-1")],
    ["one without a signature", () => signer.signRaw({ alg: "none" }, claims())],
    ["a foreign key's", () => signer.sign(claims(), { kid: "foreign-1" })],
  ])("answers %s with 401, which says so", async (_, tokenOf) => {
    await openDoor();
    const token = await tokenOf();
    const client = openaiAt(door.url, token ?? "unused");
    const error = await rejection(
      client.chat.completions.create(hello, token === undefined ? { headers: { authorization: null } } : {}),
    );
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(findDenial(error)).toMatchObject({ code: "unauthenticated" });
    const challenge = (error as AuthenticationError).headers.get("www-authenticate");
    expect(challenge).toBe(`Bearer realm="hopguard"${token === undefined ? "" : ', error="invalid_token"'}`);
    expect(JSON.stringify(desk.records)).not.toContain(token ?? "unused");
    nothingRan();
  });

  it("takes whom the platform has identified, and nobody for nobody", async () => {
    const { url } = await openDoor({
      identify: (authorization: string | null) => {
        if (authorization === "Bearer broken") throw new Error("the session store is down");
        if (authorization !== "Bearer alice") return undefined;
        return { principal: { id: "alice", roles: ["analyst"] }, agent: { id: "chat-app" } };
      },
    });
    await openaiAt(url, "alice").chat.completions.create(hello);
    expect(desk.records).toMatchObject([{ effect: "allow", subject: { id: "alice" } }]);
    for (const nobody of ["mallory", "broken"]) {
      const error = await rejection(openaiAt(url, nobody).chat.completions.create(hello));
      expect(error).toMatchObject({ status: 401 });
    }
    expect(door.handled).toHaveLength(1);
  });

  it("tells interleaved users apart", async () => {
    const client = await openai("u-a");
    const other = openaiAt(door.url, await signer.sign(claims("u-b", { roles: ["nobody"] })));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 === 0 ? client : other).chat.completions.create({ ...hello, temperature: index / 100 }),
      ),
    );
    outcomes.forEach(({ status }, index) => expect(status).toBe(index % 2 === 0 ? "fulfilled" : "rejected"));
    const names = desk.records.map(({ effect, subject }) => `${effect} ${subject.id}`);
    expect(names.filter((name) => name === "allow u-a")).toHaveLength(50);
    expect(names.filter((name) => name === "deny u-b")).toHaveLength(50);
    expect(desk.provider.requests).toHaveLength(50);
  });
});

describe("guardRequests of hopguard/http", () => {
  it.each([
    ["text/event-stream", { stream: true, background: true }],
    ["application/json", { background: true }],
    ["application/json", {}],
  ])("waits for no word of a silent answer in %s when authority is withdrawn", async (type, more) => {
    const id = `silent-${JSON.stringify(more)}`;
    const identify = () => ({ principal: { id, roles: ["analyst"] }, agent: { id: "chat-app" } });
    const guarded = guardRequests(guard, { api: "openai", identify });
    const request = new Request("http://localhost/v1/responses", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o-mini", input: "Hello", ...more }),
    });
    let isHandled = false;
    let isGivenUp = false;
    const silence = new ReadableStream({
      cancel: () => {
        isGivenUp = true;
      },
    });
    const reading = guarded(request, () => {
      isHandled = true;
      return new Response(silence, { headers: { "content-type": type } });
    }).then((response) => response.text());
    await expect.poll(() => isHandled).toBe(true);
    await guard.revoke({ principal: id });
    expect(findDenial(await rejection(reading))).toMatchObject({ code: "revoked" });
    await expect.poll(() => isGivenUp).toBe(true);
  });
});

describe("authorize of hopguard/http", () => {
  const token = () => signer.sign(claims());
  const ask = async (path: string, given?: string): Promise<Request> => {
    const authorization = given ?? `Bearer ${await token()}`;
    return new Request(`https://app.example${path}`, {
      ...{ method: "POST", body: JSON.stringify({ note: path }) },
      headers: { "content-type": "application/json", ...(authorization !== "" && { authorization }) },
    });
  };
  /** The application's own route, which the toolset's policy is about. */
  const guarded = () =>
    authorize(
      guard,
      async (request) => {
        const body = (await request.clone().json()) as { note: string };
        if (body.note === "/broken") throw new Error("the database is down");
        return { kind: "llm_model", id: body.note.slice(1), action: "completion" };
      },
      { agent: ({ headers }) => ({ id: headers.get("x-agent") ?? "web" }) },
    );

  it("hands on an allowed request as it came, and answers a denied one with a problem", async () => {
    const handled: string[] = [];
    const answer = async (path: string, given?: string): Promise<Response> =>
      guarded()(await ask(path, given), async (request, { session, decision }) => {
        handled.push(`${session.principal.id} ${decision?.hop.id}`);
        return Response.json(await request.json());
      });
    expect(await (await answer("/gpt-4o-mini")).json()).toEqual({ note: "/gpt-4o-mini" });
    const denied = await answer("/gpt-4o");
    expect(denied.status).toBe(403);
    expect(denied.headers.get("content-type")).toBe("application/problem+json");
    const problem: unknown = await denied.json();
    expect(problem).toMatchObject({ title: "Forbidden", status: 403 });
    expect(findDenial(problem)).toMatchObject({ code: "policy_denied" });
    const nobody = await answer("/gpt-4o-mini", "");
    expect(nobody.status).toBe(401);
    expect(nobody.headers.get("www-authenticate")).toBe('Bearer realm="hopguard"');
    const forged = await answer("/gpt-4o-mini", "Bearer a.b.c");
    expect(forged.headers.get("www-authenticate")).toContain('error="invalid_token"');
    await expect(answer("/broken")).rejects.toThrow("the database is down");
    expect(handled).toEqual(["u-1042 gpt-4o-mini"]);
  });

  it("rejects with what the handler throws", async () => {
    const call = guarded()(await ask("/gpt-4o-mini"), () => {
      throw new Error("the handler's own");
    });
    await expect(call).rejects.toThrow("the handler's own");
  });

  it("refuses wrong options where it is made", () => {
    expect(() => authorize(guard, {} as never, { agent: { id: "web" } })).toThrow(/authorize\.hopOf/);
    expect(() => authorize(guard, () => ({ kind: "a", action: "b" }), {})).toThrow(/either `agent`/);
  });

  // A fixed agent that no session takes would answer everybody with 401, and nobody would be told why.
  it.each<[RegExp, object]>([
    [/authorize\.agent: .*expected object/, { agent: "web" }],
    [/authorize\.agent: .*expected object/, { agent: null }],
    [/authorize\.agent\.id/, { agent: {} }],
    [/authorize\.agent\.id/, { agent: { id: "web " } }],
    [/authorize.*"name"/, { agent: { id: "web", name: "web" } }],
    [/authorize\.identify/, { identify: { principal: "ada" } }],
    [/authorize.*"identity"/, { agent: { id: "web" }, identity: () => undefined }],
  ])("refuses who asks where it is made: %s", (complaint, options) => {
    const hop = () => ({ kind: "a", action: "b" });
    expect(() => authorize(guard, hop, options)).toThrow(ConfigurationError);
    expect(() => authorize(guard, hop, options)).toThrow(complaint);
  });
});
