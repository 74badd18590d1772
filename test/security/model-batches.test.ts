import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigurationError, findDenial, type Denial, type Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch } from "hopguard/fetch";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { anthropicLines, denialOf, openaiLines } from "../support/model-sdks";
import type { Rule } from "../support/policies";

interface Line {
  readonly custom_id?: unknown;
  readonly method?: unknown;
  readonly url?: unknown;
  readonly body?: unknown;
}

const messages = [{ role: "user" as const, content: "Hello" }];
const chat = "/v1/chat/completions";
const mini = { model: "gpt-4o-mini", messages };

/** A line that is fine, but for what is given. */
const line = (index: number, more: Line & Record<string, unknown> = {}): Line => ({
  custom_id: `r-${index}`,
  method: "POST",
  url: chat,
  body: mini,
  ...more,
});
const jsonl = (...lines: readonly (Line | string)[]): string =>
  lines.map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry))).join("\n");
const asFile = (content: BlobPart): File => new File([content], "batch.jsonl");
const run = (input_file_id: string, endpoint: string = chat) =>
  ({ input_file_id, endpoint, completion_window: "24h" }) as OpenAI.BatchCreateParams;

let desk: Desk;
let analyst: Session;
let folder: string;

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  analyst = await desk.session("analyst");
  folder = await mkdtemp(join(tmpdir(), "hopguard-batches-"));
});
afterAll(() => Promise.all([desk.close(), rm(folder, { recursive: true })]));
beforeEach(() => desk.reset());

function nothingSent(): void {
  expect(desk.provider.requests).toEqual([]);
  expect(desk.elsewhere.requests).toEqual([]);
}

async function denied(call: PromiseLike<unknown>): Promise<Denial> {
  const before = desk.provider.requests.length;
  const denial = await denialOf(call);
  expect(desk.provider.requests).toHaveLength(before);
  return denial;
}

const uploaded = (): string => {
  const file = desk.provider.requests.at(-1)?.fields?.find(({ name }) => name === "file");
  return new TextDecoder().decode(file?.content);
};
const hops = () => desk.records.map(({ hop }) => `${hop.action} ${hop.name}`);

describe.each(openaiLines)("a batch by file with $line", ({ OpenAI: SDK }) => {
  const guarded = (options?: GuardOpenAIOptions, session = analyst): OpenAI =>
    guardOpenAI(new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL }), session, options);
  const upload = (client: OpenAI, content: BlobPart) =>
    client.files.create({ file: asFile(content), purpose: "batch" });

  it("is uploaded, run, polled, read, cancelled and cleaned up, and decided each time", async () => {
    const client = guarded();
    const text = jsonl(line(1), line(2, { body: { ...mini, max_tokens: 5 } }));
    const { id } = await upload(client, text);
    expect(uploaded()).toBe(text);
    expect(hops()).toEqual(["batch gpt-4o-mini", "batch gpt-4o-mini"]);

    const { id: batch } = await client.batches.create(run(id));
    expect(desk.records).toHaveLength(4);
    const { status, output_file_id: output = "" } = await client.batches.retrieve(batch);
    expect(status).toBe("completed");
    expect(desk.records.slice(4)).toMatchObject([{ effect: "allow", flags: ["look_up"] }]);
    const results = await (await client.files.content(output)).text();
    expect(results.match(/This is gpt-4o-mini/g)).toHaveLength(2);
    expect(await (await client.files.content(id)).text()).toBe(text);
    await client.files.retrieve(output);
    await client.batches.cancel(batch);
    await client.files.delete(id);
    expect(desk.records.every(({ hop }) => hop.action === "batch" && hop.name === "gpt-4o-mini")).toBe(true);
  });

  it("may come from a stream, and may end with a newline", async () => {
    const path = join(folder, "stream.jsonl");
    const text = `${jsonl(line(1), line(2))}\r\n`;
    await writeFile(path, text);
    await guarded().files.create({ file: createReadStream(path), purpose: "batch" });
    expect(uploaded()).toBe(text);
    await writeFile(path, jsonl(line(1), line(2, { body: { ...mini, model: "gpt-4o" } })));
    await denied(guarded().files.create({ file: createReadStream(path), purpose: "batch" }));
  });

  it("is decided by every hop that a line would be by itself", async () => {
    const responses = (more: object) =>
      line(1, { url: "/v1/responses", body: { model: "gpt-4o-mini", input: "x", ...more } });
    for (const entry of [
      line(1, { body: { ...mini, model: "gpt-4o" } }),
      line(1, { body: { ...mini, fallbacks: ["gpt-4o"] } }),
      line(1, { body: { messages } }),
      responses({ tools: [{ type: "code_interpreter" }] }),
      responses({ tools: [{ type: "mcp", server_url: "https://evil.example" }] }),
      responses({ prompt: { id: "pmpt_1" } }),
      line(1, { url: "/v1/embeddings", body: { model: "text-embedding-3-large", input: "x" } }),
    ]) {
      await denied(
        upload(
          guarded(),
          jsonl(line(0, { url: entry.url, body: entry.url === chat ? mini : entry.body }), entry),
        ),
      );
    }
    nothingSent();
    desk.reset();
    const hostedServers = { "https://crm.example/mcp": "crm" };
    const tools = [{ type: "mcp", server_url: "https://crm.example/mcp" }, { type: "web_search" }];
    const client = guarded({ hostedServers });
    const { id } = await upload(client, jsonl(responses({ tools })));
    const expected = [
      "batch gpt-4o-mini",
      "hosted_tools/mcp gpt-4o-mini",
      "hosted_tools/web_search gpt-4o-mini",
      "initialize crm",
    ];
    expect(hops().sort()).toEqual(expected);
    desk.reset();
    await client.batches.create(run(id, "/v1/responses"));
    expect(hops().sort()).toEqual(expected);
  });

  it("is refused when a line can be read in two ways, or is no request", async () => {
    const text = JSON.stringify(line(1));
    for (const bad of [
      "",
      "\n",
      `${text}\n\n${JSON.stringify(line(2))}`,
      `\ufeff${text}`,
      `${text}${text}`,
      `${text}\r${text}`,
      text.slice(1),
      `[${text}]`,
      text.replace("{", '{"model":"gpt-4o",'),
      text.replace("{", '{"Body":{},'),
      text.replace('"model"', '"model":"gpt-4o","model"'),
      text.replace('"model"', '"Model":"gpt-4o","model"'),
      jsonl(line(1), line(1)),
      jsonl(line(1, { custom_id: 1 })),
      jsonl(line(1, { custom_id: undefined })),
      jsonl(line(1, { method: "GET" })),
      jsonl(line(1, { method: "post" })),
      jsonl(line(1, { body: undefined })),
      jsonl(line(1, { body: [mini] })),
      jsonl(line(1, { body: JSON.stringify(mini) })),
      jsonl(line(1, { headers: { "x-model": "gpt-4o" } })),
      ...[
        "https://evil.example/v1/chat/completions",
        "//evil.example/v1/chat/completions",
        "/v1/chat/completions?model=gpt-4o",
        "/v1/chat/completions#",
        "/v1/../v1/chat/completions",
        "/v1/fine_tuning/jobs",
        "/v1/files",
        "/v1/batches",
        "/v1/models",
        "/v1/audio/transcriptions",
        "chat/completions",
        "",
      ].map((url) => jsonl(line(1, { url }))),
      jsonl(line(1), line(2, { url: "/v1/responses" })),
      jsonl(line(1), line(2, { body: { ...mini, tools: [{ type: "function", Type: "mcp", name: "x" }] } })),
      `{"custom_id":"r","method":"POST","url":"${chat}","body":${"[".repeat(200)}${"]".repeat(200)}}`,
    ]) {
      await denied(upload(guarded(), bad));
    }
    await denied(upload(guarded(), Buffer.from(text, "utf16le")));
    await denied(upload(guarded(), new Uint8Array([...Buffer.from(text), 0xff])));
    expect((await denied(upload(guarded({ limits: { maxLength: 50 } }), text))).code).toBe(
      "arguments_invalid",
    );
    expect((await denied(upload(guarded(), jsonl(line(1), line(2), "{")))).reason).toMatch(/Line 3/);
    nothingSent();
  });

  it("is refused with tools that may never be used", async () => {
    const tool = (name: string) => ({ type: "function", function: { name, parameters: {} } });
    const tools = { note: { toolset: "desk" }, salaries: { server: "payroll", tool: "payroll_list" } };
    const client = guarded({ tools });
    const declaring = (...names: string[]) => jsonl(line(1, { body: { ...mini, tools: names.map(tool) } }));
    expect((await denied(upload(client, declaring("note", "salaries")))).reason).toMatch(/"salaries"/);
    await denied(upload(client, declaring("unknown")));
    nothingSent();
    const { id } = await upload(client, declaring("note", "note"));
    await client.batches.create(run(id));
  });

  it("runs no file that this client has not uploaded, unless the operator names it", async () => {
    const client = guarded();
    expect((await denied(client.batches.create(run("file-1")))).reason).toMatch(/option `batchFiles`/);
    nothingSent();
    const { id } = await upload(client, jsonl(line(1)));
    desk.reset();
    await denied(guarded().batches.create(run(id)));
    await denied(guarded({}, await desk.session("analyst", { id: "bob" })).batches.create(run(id)));
    const batchFiles = { [id]: "gpt-4o-mini", "file-2": "gpt-4o", constructor: "gpt-4o-mini" };
    expect((await denied(guarded({ batchFiles }).batches.create(run("file-2")))).hop).toMatchObject({
      name: "gpt-4o",
      action: "batch",
    });
    await denied(guarded({ batchFiles: { a: "gpt-4o-mini" } }).batches.create(run("constructor")));
    await denied(guarded({ batchFiles: { a: "gpt-4o-mini" } }).batches.create(run("__proto__")));
    nothingSent();
    await guarded({ batchFiles }).batches.create(run(id));
    expect(() => guarded({ batchFiles: { a: "" } })).toThrow(ConfigurationError);
  });

  it("runs its file at the endpoint of the lines, and brings nothing else", async () => {
    const client = guarded();
    const { id } = await upload(client, jsonl(line(1)));
    desk.reset();
    const create = (body: object) => client.post("/batches", { body }) as PromiseLike<unknown>;
    const fine = run(id);
    await denied(create({ ...fine, endpoint: "/v1/responses" }));
    await denied(create({ ...fine, endpoint: ["/v1/chat/completions"] }));
    await denied(create({ ...fine, endpoint: undefined }));
    await denied(create({ ...fine, input_file_id: [id] }));
    await denied(create({ ...fine, input_file_id: ` ${id}` }));
    await denied(create({ ...fine, input_file_id: undefined }));
    await denied(create({ ...fine, input_blob: "https://evil.example/lines.jsonl" }));
    await denied(create({ ...fine, model: "gpt-4o" }));
    await denied(create({ ...fine, Input_File_Id: "file-2" }));
    nothingSent();
    await create({ ...fine, endpoint: "/chat/completions", metadata: { note: "x" } });
  });

  it("is shared by copies of the client, but not by one that answers for the provider", async () => {
    const client = guarded();
    const { id } = await client.withOptions({ timeout: 5000 }).files.create({
      file: asFile(jsonl(line(1))),
      purpose: "batch",
    });
    await client.batches.create(run(id));
    const liar = client.withOptions({ fetch: () => Promise.resolve(Response.json({ id: "file-secret" })) });
    await upload(liar, jsonl(line(1)));
    await denied(client.batches.create(run("file-secret")));
    const other = client.withOptions({ baseURL: desk.elsewhere.openaiBaseURL });
    const { id: elsewhere } = await upload(other, jsonl(line(1)));
    await denied(client.batches.create(run(elsewhere)));
  });

  it("shows nothing of the batches and files of others", async () => {
    const client = guarded();
    const { id } = await upload(client, jsonl(line(1)));
    const { id: batch } = await client.batches.create(run(id));
    const { output_file_id: output = "" } = await client.batches.retrieve(batch);
    desk.reset();
    const other = guarded({}, await desk.session("analyst", { id: "bob" }));
    for (const call of [
      () => other.batches.retrieve(batch),
      () => other.batches.cancel(batch),
      () => other.batches.list(),
      () => other.files.retrieve(id),
      () => other.files.content(output),
      () => other.files.delete(output),
      () => other.files.list(),
      () => client.batches.retrieve(id),
      () => client.files.content(batch),
      () => client.batches.create(run(output)),
    ]) {
      await denied(call());
    }
    nothingSent();
  });
});

describe.each(anthropicLines)("a batch with $line", ({ Anthropic: SDK }) => {
  const guarded = (): Anthropic =>
    guardAnthropic(new SDK({ apiKey: "sk-local", baseURL: desk.provider.anthropicBaseURL }), analyst);
  const params = { model: "claude-haiku-5-5", max_tokens: 10, messages };

  it("may be polled, read, cancelled and deleted by the client that sent it, and by no other", async () => {
    const client = guarded();
    const { id } = await client.messages.batches.create({ requests: [{ custom_id: "a", params }] });
    desk.reset();
    const { batches } = guarded().messages;
    for (const call of [batches.retrieve(id), batches.cancel(id), batches.delete(id), batches.results(id)]) {
      await denied(call);
    }
    await denied(batches.list());
    nothingSent();
    expect((await client.messages.batches.retrieve(id)).processing_status).toBe("ended");
    const results = [];
    for await (const result of await client.messages.batches.results(id)) results.push(result.custom_id);
    expect(results).toEqual(["a"]);
    await client.messages.batches.cancel(id);
    await client.messages.batches.delete(id);
    expect(new Set(hops().slice(-5))).toEqual(new Set(["batch claude-haiku-5-5"]));
  });
});

describe("a batch below Azure's deployment", () => {
  it("runs on no other model than that", async () => {
    const baseURL = `${desk.provider.url}/openai`;
    const send = guardFetch(analyst, { baseURL });
    const at = (deployment: string, path: string, body: FormData | string) =>
      send(`${baseURL}/deployments/${deployment}${path}`, { method: "POST", body });
    const file = form(jsonl(line(1)));
    const of = async (response: Promise<Response>) => findDenial(await (await response).json())?.reason;
    expect(await of(at("gpt-4o", "/files", file))).toMatch(/different models/);
    expect(await of(at("gpt-4o", "/files", form(jsonl(line(1, { body: { messages } })))))).toBeDefined();
    const url = "/deployments/gpt-4o/chat/completions";
    expect(await of(at("gpt-4o-mini", "/files", form(jsonl(line(1, { url })))))).toMatch(/different models/);
    nothingSent();
    const id = await idOf(
      await send(`${baseURL}/deployments/gpt-4o-mini/files`, { method: "POST", body: file }),
    );
    desk.reset();
    expect(await of(at("gpt-4o", "/batches", JSON.stringify(run(id))))).toMatch(/different models/);
    nothingSent();
    await idOf(await at("gpt-4o-mini", "/batches", JSON.stringify(run(id))));
  });
});

describe("what a client has created", () => {
  it("is denied once the policy denies it: a role that ends between upload and run", async () => {
    const changing: Rule = {
      actions: ["batch"],
      effect: "EFFECT_ALLOW",
      roles: ["analyst"],
      condition: { match: { expr: "R.attr.context.session.attempts.batch <= 2" } },
    };
    await using other = await closing(openDesk({ policies: [{ kind: "llm_model", rules: [changing] }] }));
    const session = await other.session("analyst");
    const send = fetchOf(session, other);
    const id = await idOf(await send("/files", { method: "POST", body: form(jsonl(line(1))) }));
    const start = () => send("/batches", { method: "POST", body: JSON.stringify(run(id)) });
    const batch = await idOf(await start());
    const before = other.provider.requests.length;
    for (const response of [
      await start(),
      await send(`/batches/${batch}`),
      await send(`/files/${id}/content`),
    ]) {
      expect(findDenial(await response.json())?.code).toBe("policy_denied");
    }
    expect(other.provider.requests).toHaveLength(before);
  });

  it("is not remembered from an answer that cannot be read, or that is none", async () => {
    for (const answer of [
      () => new Response("<html>"),
      () => Response.json([{ id: "file-1" }]),
      () => Response.json({ id: ["file-1"] }),
      () => Response.json({ id: "" }),
      () => Response.json({ id: "file-1" }, { status: 400 }),
      () => new Response(null, { status: 302, headers: { location: "https://evil.example" } }),
    ]) {
      const send = guardFetch(analyst, {
        baseURL: desk.provider.openaiBaseURL,
        fetch: () => Promise.resolve(answer()),
      });
      const url = desk.provider.openaiBaseURL;
      const body = form(jsonl(line(1)));
      await send(`${url}/files`, { method: "POST", body });
      expect((await send(`${url}/files/file-1`)).status).toBe(403);
      expect((await send(`${url}/files/`)).status).toBe(403);
    }
  });
});

describe("the form of an upload", () => {
  const fine = (): FormData => form(jsonl(line(1)));
  const send = (body: FormData) => fetchOf(analyst, desk)("/files", { method: "POST", body });

  it("holds one file, one purpose, and nothing that a provider could read otherwise", async () => {
    const changed = (change: (data: FormData) => void): FormData => {
      const data = fine();
      change(data);
      return data;
    };
    for (const body of [
      changed((data) => data.append("file", asFile(jsonl(line(2))))),
      changed((data) => data.append("File", asFile(jsonl(line(2))))),
      changed((data) => data.append("purpose", "batch")),
      changed((data) => data.append("Purpose", "user_data")),
      changed((data) => data.append("model", "gpt-4o")),
      changed((data) => data.append("target_model_names", "gpt-4o")),
      changed((data) => data.set("file", jsonl(line(1)))),
      changed((data) => data.delete("file")),
      changed((data) => data.set("purpose", new File(["batch"], "purpose"))),
      changed((data) => data.set("purpose", "BATCH")),
    ]) {
      expect(findDenial(await (await send(body)).json())).toBeDefined();
    }
    nothingSent();
    await send(changed((data) => data.append("expires_after[anchor]", "created_at")));
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("is decided by what is sent, whatever the file says of itself", async () => {
    class TwoFaced extends File {
      override arrayBuffer(): Promise<ArrayBuffer> {
        return Promise.resolve(new TextEncoder().encode(jsonl(line(1))).buffer);
      }
    }
    const data = new FormData();
    data.append("purpose", "batch");
    data.append("file", new TwoFaced([jsonl(line(1, { body: { ...mini, model: "o3" } }))], "batch.jsonl"));
    expect(findDenial(await (await send(data)).json())?.hop.name).toBe("o3");
    nothingSent();
  });
});

describe("a file of many lines", () => {
  it("that are alike is a few questions, and one that is not is found among them", async () => {
    const many = Array.from({ length: 50_000 }, (_, index) => line(index));
    const send = fetchOf(analyst, desk);
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    const response = await send("/files", { method: "POST", body: form(jsonl(...many)) });
    clearInterval(ticking);
    expect(response.status).toBe(200);
    expect(desk.records).toHaveLength(1);
    // Others get their turn meanwhile.
    expect(turns).toBeGreaterThan(10);
    desk.reset();
    many[40_000] = line(40_000, { body: { ...mini, model: "gpt-4o" } });
    const denial = findDenial(
      await (await send("/files", { method: "POST", body: form(jsonl(...many)) })).json(),
    );
    expect(denial?.hop.name).toBe("gpt-4o");
    nothingSent();
  });

  it("that differ are asked about in turns, each of them, and no further once one is denied", async () => {
    const many = Array.from({ length: 600 }, (_, index) =>
      line(index, { body: { ...mini, max_tokens: index + 1 } }),
    );
    const send = fetchOf(analyst, desk);
    expect((await send("/files", { method: "POST", body: form(jsonl(...many)) })).status).toBe(200);
    expect(desk.records).toHaveLength(600);
    desk.reset();
    many[100] = line(100, { body: { ...mini, model: "gpt-4o" } });
    await send("/files", { method: "POST", body: form(jsonl(...many)) });
    expect(desk.records.length).toBeLessThan(200);
    nothingSent();
  });

  it("is given up when the caller gives up", async () => {
    const many = Array.from({ length: 20_000 }, (_, index) => line(index));
    const controller = new AbortController();
    const sent = fetchOf(analyst, desk)("/files", {
      method: "POST",
      body: form(jsonl(...many)),
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error("enough")), 5);
    await expect(sent).rejects.toThrow("enough");
    nothingSent();
  });
});

function form(content: string): FormData {
  const data = new FormData();
  data.append("purpose", "batch");
  data.append("file", asFile(content));
  return data;
}

function fetchOf(session: Session, at: Desk): (path: string, init?: RequestInit) => Promise<Response> {
  const { openaiBaseURL: baseURL } = at.provider;
  const guarded = guardFetch(session, { baseURL });
  return (path, init) => guarded(baseURL + path, init);
}

async function idOf(response: Response): Promise<string> {
  expect(response.status).toBe(200);
  return ((await response.json()) as { readonly id: string }).id;
}

async function closing(opening: Promise<Desk>): Promise<Desk & AsyncDisposable> {
  const opened = await opening;
  return Object.assign(Object.create(opened) as Desk, { [Symbol.asyncDispose]: () => opened.close() });
}
