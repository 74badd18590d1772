import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import type { Anthropic } from "@anthropic-ai/sdk";
import { findDenial, type Denial, type Session } from "hopguard";
import { guardAnthropic, type GuardAnthropicOptions } from "hopguard/anthropic";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import { guardTools } from "hopguard/tools";
import type { OpenAI } from "openai";
import { describe, expect } from "vitest";
import { z } from "zod";
import type { LocalProviderOptions } from "../../examples/shared/local-provider";
import { startMcpServer, type RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { openDesk, type Desk } from "./desk";
import { MCP_CLIENTS } from "./mcp-clients";
import { anthropicLines, openaiLines } from "./model-sdks";
import type { Policy, Rule } from "./policies";
import { testPdps, type TestPdp } from "./test-pdp";

/** What the table of threats is played on. */
const PDPS = ["0.51", "0.55", "0.55-strict"];

/** Plays the same tests on every PDP. One that is not to be had on this machine is skipped, and the run says so. */
export function onEveryPdp(title: string, play: (pdp: TestPdp) => void): void {
  for (const name of PDPS) {
    const pdp = testPdps().find((candidate) => candidate.name === name);
    if (pdp) describe(`${title}, on Cerbos ${name}`, () => play(pdp));
    else describe.skip(`${title}, on Cerbos ${name}`, () => play({ name, binary: "", strict: false }));
  }
}

const rule = (effect: Rule["effect"], actions: readonly string[], expr?: string): Rule => ({
  actions,
  effect,
  roles: effect === "EFFECT_DENY" ? ["*"] : ["clerk"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
});

/** A cap in both of its forms: `refund` is allowed up to it, `payout` is denied above it, which is no check of types. */
const capped: readonly Rule[] = [
  rule("EFFECT_ALLOW", ["tools/call/refund"], "R.attr.arguments.amount_cents <= 5000.0"),
  rule("EFFECT_ALLOW", ["tools/call/payout", "tools/call/note"]),
  rule("EFFECT_DENY", ["tools/call/payout"], "R.attr.arguments.amount_cents > 5000.0"),
];

/** What a clerk may do: spend up to a cap, use two models, and open the till but not the vault. */
export const threatPolicies: readonly Policy[] = [
  { kind: "mcp_till", rules: [rule("EFFECT_ALLOW", ["initialize", "tools/list"]), ...capped] },
  { kind: "tool_till", rules: capped },
  { kind: "mcp_vault", rules: [{ ...rule("EFFECT_ALLOW", ["*"]), roles: ["keeper"] }] },
  {
    kind: "llm_model",
    rules: [
      rule(
        "EFFECT_ALLOW",
        ["list", "completion", "count_tokens", "embedding", "batch", "hosted_tools/mcp"],
        'R.id in ["gpt-4o-mini", "claude-haiku-5-5"]',
      ),
      // A buyer may use every model but two: a policy of names to avoid.
      { ...rule("EFFECT_ALLOW", ["completion"]), roles: ["buyer"] },
      {
        ...rule("EFFECT_DENY", ["*"], 'R.id in ["gpt-4o", "claude-opus-5-5"]'),
        roles: ["buyer"],
      },
    ],
  },
];

const amount = { amount_cents: z.number(), memo: z.string().optional() };
/** `refund` takes these members and no others. */
const exact = z.strictObject(amount);
/** `payout` and `note` do not mind others. */
const open = z.object(amount);

/** The server `till`, on SDK 2: every call that arrives is paid. */
function startTill(): Promise<RunningMcpServer> {
  return startMcpServer(
    createMcpHandler(() => {
      const server = new McpServer({ name: "till", version: "1.0.0" });
      const paid = () => ({ content: [{ type: "text" as const, text: "paid" }] });
      server.registerTool("refund", { inputSchema: exact }, paid);
      server.registerTool("payout", { inputSchema: open }, paid);
      server.registerTool("note", { inputSchema: z.object({ text: z.string() }) }, paid);
      return server;
    }),
  );
}

export interface Stage extends Desk {
  readonly till: RunningMcpServer;
  /** The arguments of the local tools that ran. */
  readonly ran: unknown[];
  /** Whatever has reached a model, a place elsewhere, a server's tool or a local tool. */
  upstream(): readonly unknown[];
}

/** A desk with the till beside it, for the policies above. */
export async function openStage(
  pdp: TestPdp,
  {
    policies = [],
    provider,
  }: { readonly policies?: readonly Policy[]; readonly provider?: LocalProviderOptions } = {},
): Promise<Stage> {
  const [desk, till] = await Promise.all([
    openDesk({ policies: [...threatPolicies, ...policies], on: pdp, ...(provider && { provider }) }),
    startTill(),
  ]);
  const ran: unknown[] = [];
  return Object.assign(Object.create(desk) as Desk, {
    till,
    ran,
    upstream: () => [
      ...desk.provider.requests,
      ...desk.elsewhere.requests,
      ...till.requests.filter(({ method }) => method === "tools/call"),
      ...ran,
    ],
    reset: () => {
      desk.reset();
      till.reset();
      ran.length = 0;
    },
    close: async () => {
      await Promise.all([desk.close(), till.stop()]);
    },
  });
}

/** Asserts that nothing has left, to anywhere. */
export function expectNothingSent(stage: Stage): void {
  expect(stage.upstream()).toEqual([]);
}

/** The denial that a call was answered with, or failed with; fails when there is none. */
export async function denialIn(call: PromiseLike<unknown>): Promise<Denial> {
  const outcome = await Promise.resolve(call).catch((error: unknown) => error);
  return findDenial(outcome) ?? expect.fail(`expected a denial, and not ${String(outcome)}`);
}

/** Calls a tool of the till as an agent would; resolves to the result, or rejects as is native. */
export type CallTool = (tool: "refund" | "payout" | "note", args: unknown) => Promise<unknown>;

/** A way in which an agent can call a tool. */
export interface ToolDoor {
  readonly name: string;
  readonly open: (stage: Stage, session: Session) => Promise<CallTool>;
}

const jsonSchemas = { refund: z.toJSONSchema(exact), payout: z.toJSONSchema(open, { io: "input" }) };

const localDoor = (name: string, schemas: Readonly<Record<"refund" | "payout", unknown>>): ToolDoor => ({
  name,
  open: ({ ran }, session) => {
    const run = (args: unknown): string => {
      ran.push(args);
      return "paid";
    };
    const tools = guardTools({ refund: run, payout: run, note: run }, session, {
      toolset: "till",
      schemas: { ...schemas, note: z.object({ text: z.string() }) },
    });
    return Promise.resolve((tool, args) => tools[tool](args));
  },
});

/** Every line of the MCP client at its newest, and local tools with both kinds of schemas. */
export const toolDoors: readonly ToolDoor[] = [
  ...MCP_CLIENTS.filter(({ name }) => name.includes(".x")).map(({ name, connect, callTool }) => ({
    name: `MCP ${name}`,
    open: async ({ till }: Stage, session: Session): Promise<CallTool> => {
      const client = await connect(till.url, session, { server: "till" });
      return (tool, args) =>
        callTool(client, { name: tool, arguments: args as Readonly<Record<string, unknown>> });
    },
  })),
  localDoor("local tools with zod", { refund: exact, payout: open }),
  localDoor("local tools with JSON Schema", jsonSchemas),
];

/** The key that no other place than the provider may ever see. */
export const PROVIDER_KEY = "sk-the-provider-alone";

/** A way in which an agent can call a model. */
export interface ModelDoor {
  readonly name: string;
  /** A model that a clerk may use; the provider has others. */
  readonly allowed: string;
  /** The endpoint of a call, as `client.post` takes it. */
  readonly path: string;
  /** The body of a call of a model. */
  readonly body: (model: unknown) => Readonly<Record<string, unknown>>;
  readonly open: (stage: Stage, session: Session, client?: object) => ModelClient;
}

/** What the clients of both SDKs have in common. */
export type ModelClient = Pick<OpenAI, "post" | "get" | "put" | "patch" | "delete"> & {
  withOptions(options: object): ModelClient;
};

const messages = [{ role: "user" as const, content: "Hello" }];

/** The newest of each line of both SDKs. */
export const openaiSdks = openaiLines.filter(({ line }) => /^openai \d$/.test(line));
export const anthropicSdks = anthropicLines.filter(({ line }) => /0\.137|1$/.test(line));

export const openaiClient = (
  { OpenAI: SDK }: (typeof openaiSdks)[number],
  { provider }: Stage,
  session: Session,
  options: object = {},
  guard?: GuardOpenAIOptions,
): OpenAI =>
  guardOpenAI(new SDK({ apiKey: PROVIDER_KEY, baseURL: provider.openaiBaseURL, ...options }), session, guard);

export const anthropicClient = (
  { Anthropic: SDK }: (typeof anthropicSdks)[number],
  { provider }: Stage,
  session: Session,
  options: object = {},
  guard?: GuardAnthropicOptions,
): Anthropic =>
  guardAnthropic(
    new SDK({ apiKey: PROVIDER_KEY, baseURL: provider.anthropicBaseURL, ...options }),
    session,
    guard,
  );

export const modelDoors: readonly ModelDoor[] = [
  ...openaiSdks.map((sdk): ModelDoor => ({
    name: sdk.line,
    allowed: "gpt-4o-mini",
    path: "/chat/completions",
    body: (model) => ({ model, messages }),
    open: (stage, session, client) => openaiClient(sdk, stage, session, client),
  })),
  ...anthropicSdks.map((sdk): ModelDoor => ({
    name: sdk.line,
    allowed: "claude-haiku-5-5",
    path: "/v1/messages",
    body: (model) => ({ model, messages, max_tokens: 10 }),
    open: (stage, session, client) => anthropicClient(sdk, stage, session, client) as unknown as ModelClient,
  })),
];

/** A call of something that a clerk may do, with a session that the test brings. */
export interface AllowedDoor {
  readonly name: string;
  readonly open: (stage: Stage, session: Session) => Promise<() => Promise<unknown>>;
}

/** Such a call through every tool's and every model's client. */
export const allowedDoors: readonly AllowedDoor[] = [
  ...toolDoors.map(({ name, open }) => ({
    name,
    open: async (stage: Stage, session: Session) => {
      const call = await open(stage, session);
      return () => call("refund", { amount_cents: 4000 });
    },
  })),
  ...modelDoors.map(({ name, open, path, body, allowed }) => ({
    name,
    open: (stage: Stage, session: Session) => {
      const client = open(stage, session, { maxRetries: 0 });
      return Promise.resolve(async () => client.post(path, { body: body(allowed) }));
    },
  })),
];
