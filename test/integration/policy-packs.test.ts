import {
  createGuard,
  findDenial,
  type AgentInput,
  type AuthorizationDetails,
  type DelegateOptions,
  type GuardOptions,
  type PrincipalInput,
  type Session,
} from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { argumentsOf, httpJson, sqlQuery } from "hopguard/enrichment";
import type { GuardTransportOptions } from "hopguard/mcp";
import { guardOpenAI } from "hopguard/openai";
import type { LocalPdp } from "hopguard/pdp";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { startLocalProvider, type LocalProvider } from "../../examples/shared/local-provider";
import { serve } from "../../examples/shared/serve";
import { connect2 } from "../support/mcp-clients";
import { denialOf } from "../support/model-sdks";
import { rawText, rawTool, startRawMcpServer, type RawAnswer } from "../support/raw-mcp-server";
import { startTestPdp } from "../support/test-pdp";

/** A busy machine may take its time. */
const PATIENCE_MS = 10_000;

let pdp: LocalPdp;
/** Two places where the same models run. */
let europe: LocalProvider;
let america: LocalProvider;

beforeAll(async () => {
  [pdp, europe, america] = await Promise.all([
    startTestPdp({ policies: "policies" }),
    startLocalProvider(),
    startLocalProvider(),
  ]);
});
afterAll(() => Promise.all([pdp.stop(), europe.stop(), america.stop()]));
beforeEach(() => {
  europe.reset();
  america.reset();
});

type Who = Omit<PrincipalInput, "id"> & { readonly agent?: string | AgentInput };

/** A session whose guard asks one pack, by its version. */
async function open(
  pack: string,
  { agent = "bot", ...principal }: Who,
  options: Partial<GuardOptions> = {},
): Promise<Session> {
  const decider = cerbos(pdp.url, { policyVersion: pack, timeoutMs: PATIENCE_MS });
  onTestFinished(() => decider.close());
  const guard = createGuard({
    pdp: decider,
    audit: () => undefined,
    timeoutMs: PATIENCE_MS,
    repeats: false,
    visibilityTtlMs: 0,
    ...options,
  });
  return guard.session({
    principal: { id: "u-1", ...principal },
    agent: typeof agent === "string" ? { id: agent } : agent,
    task: { id: "T-1" },
  });
}

const openai = (session: Session, { openaiBaseURL: baseURL }: LocalProvider = america) =>
  guardOpenAI(new OpenAI({ apiKey: "dummy", baseURL }), session).chat.completions;
const saying = (content: string, model = "gpt-4o-mini") => ({
  model,
  messages: [{ role: "user" as const, content }],
});

/** An MCP server with these tools, opened through a guarded transport by a real client. */
async function openServer(
  session: Session,
  options: GuardTransportOptions,
  tools: readonly string[],
  answer: RawAnswer = () => rawText("done"),
) {
  const inputSchema = {
    type: "object",
    properties: { project_id: { type: "string" }, amount_cents: { type: "number" } },
  };
  const server = await startRawMcpServer((request) => {
    if (request.method === "tools/list")
      return { tools: tools.map((name) => rawTool(name, { inputSchema })) };
    return request.method === "tools/call" ? answer(request) : undefined;
  });
  onTestFinished(() => server.stop());
  const client = await connect2(server.url, session, options);
  return {
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    /** `"done"`, `"failed"`, or the denial. */
    call: async (name: string, args: Record<string, unknown> = {}) => {
      const result = await client.callTool({ name, arguments: args });
      return findDenial(result) ?? (result.isError ? "failed" : "done");
    },
    /** The tools that were really called. */
    called: () => server.requests.filter(({ method }) => method === "tools/call").map(({ tool }) => tool),
  };
}

describe("model_access", () => {
  const developer: Who = { roles: ["developer"] };

  it("keeps a model that is on trial out of production, and out of what does not say where it runs", async () => {
    for (const options of [{ environment: "production" }, {}]) {
      const models = openai(await open("model_access", developer, options));
      expect(await denialOf(models.create(saying("Hello", "gpt-4o")))).toMatchObject({
        reason: "this model is on trial, and not approved for production",
        remediation: { type: "use_model", model: "gpt-4o-mini" },
      });
      expect(america.requests).toEqual([]);
    }
    const models = openai(await open("model_access", developer, { environment: "staging" }));
    await models.create(saying("Hello", "gpt-4o"));
    expect(america.requests).toHaveLength(1);
  });

  it("is for each role as it says, and shows what may be used", async () => {
    const service = await open("model_access", { roles: ["service"] }, { environment: "staging" });
    await denialOf(openai(service).create(saying("Hello", "gpt-4o")));
    await denialOf(openai(service).create(saying("Hello", "gpt-5")));
    expect(america.requests).toEqual([]);
    const shown = await service.capabilities({ models: ["gpt-4o-mini", "gpt-4o", "gpt-5"] });
    expect(shown.models).toEqual({ "gpt-4o-mini": "always", "gpt-4o": "never", "gpt-5": "never" });
  });
});

describe("data_residency", () => {
  const analyst: Who = { roles: ["analyst"] };
  const classifiers = [
    {
      name: "patterns",
      classify: ({ content }: { content: string }) =>
        /\b[A-Z]{2}\d{2}(?: ?\d{4}){3}/.test(content) ? ["personal_eu", "iban"] : [],
    },
  ];
  const modelFacts = () => [
    { model: "gpt-4o-mini", baseURL: europe.openaiBaseURL, region: "eu" },
    { model: "gpt-4o-mini", baseURL: america.openaiBaseURL, region: "us" },
  ];
  const IBAN = "DE89 3704 0044 0532 0130 00";
  const personal = saying(`Refund to ${IBAN}, please`);
  const harmless = saying("What is a refund?");
  const nobodySaid = "nobody has said what this request holds, or where the model runs";

  it("sends personal data of the EU to the EU only, and says where it may go", async () => {
    const session = await open("data_residency", analyst, { classifiers, modelFacts: modelFacts() });
    expect(await denialOf(openai(session, america).create(personal))).toMatchObject({
      code: "policy_denied",
      reason: "this request holds personal data of the EU, and the model runs elsewhere",
      remediation: { type: "use_endpoint", region: "eu" },
    });
    expect(america.requests).toEqual([]);
    await openai(session, europe).create(personal);
    await openai(session, america).create(harmless);
    expect([europe.requests.length, america.requests.length]).toEqual([1, 1]);
  });

  it("finds it wherever in the request it stands", async () => {
    const session = await open("data_residency", analyst, { classifiers, modelFacts: modelFacts() });
    const tool = { type: "function" as const, function: { name: "refund", description: `Pays to ${IBAN}` } };
    for (const more of [{ metadata: { note: IBAN } }, { tools: [tool] }, { stop: IBAN }]) {
      expect(await denialOf(openai(session, america).create({ ...harmless, ...more }))).toMatchObject({
        code: "policy_denied",
      });
    }
    expect(america.requests).toEqual([]);
  });

  it("sends nothing out of the EU where nobody says what it holds, nor where nobody says where that is", async () => {
    const unclassified = await open("data_residency", analyst, { modelFacts: modelFacts() });
    expect((await denialOf(openai(unclassified, america).create(harmless))).reason).toBe(nobodySaid);
    const somewhere = await open("data_residency", analyst, { classifiers });
    expect((await denialOf(openai(somewhere, europe).create(personal))).reason).toBe(nobodySaid);
    const silent = [{ name: "silent", timeoutMs: 20, classify: () => new Promise<never>(() => undefined) }];
    const waiting = await open("data_residency", analyst, { classifiers: silent, modelFacts: modelFacts() });
    expect((await denialOf(openai(waiting, europe).create(personal))).code).toBe("enrichment_failed");
    expect([...europe.requests, ...america.requests]).toEqual([]);
  });
});

describe("cost_tiers", () => {
  const modelFacts = [
    { model: "gpt-4o-mini", tier: "small" },
    { model: "gpt-4o", tier: "large" },
  ];

  it("lets each role use its tiers, the large one within a bound", async () => {
    const intern = openai(await open("cost_tiers", { roles: ["intern"] }, { modelFacts }));
    await intern.create(saying("Hello"));
    expect(await denialOf(intern.create(saying("Hello", "gpt-4o")))).toMatchObject({
      reason: "this tier of models is not for this role",
      remediation: { type: "use_model", model: "gpt-4o-mini" },
    });
    const researcher = openai(await open("cost_tiers", { roles: ["researcher"] }, { modelFacts }));
    await researcher.create({ ...saying("Hello", "gpt-4o"), max_completion_tokens: 4000 });
    await denialOf(researcher.create({ ...saying("Hello", "gpt-4o"), max_completion_tokens: 4001 }));
    await denialOf(researcher.create(saying("Hello", "gpt-4o")));
    // Nobody has given it a tier.
    await denialOf(researcher.create(saying("Hello", "gpt-5")));
    expect(america.requests.map(({ body }) => (body as { model: string }).model)).toEqual([
      "gpt-4o-mini",
      "gpt-4o",
    ]);
  });
});

describe("budgets", () => {
  const developer: Who = { roles: ["developer"] };
  const bounded = (max_completion_tokens: number) => ({ ...saying("Hello"), max_completion_tokens });

  it("lets one of several calls pass that come at once, where the task has tokens for one", async () => {
    const models = openai(await open("budgets", developer, { usage: {} }));
    const calls = await Promise.allSettled(Array.from({ length: 5 }, () => models.create(bounded(150_000))));
    expect(calls.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(america.requests).toHaveLength(1);
  });

  it("denies the next one when the money of the task is spent, and says who can give more", async () => {
    const modelFacts = [{ model: "gpt-4o-mini", price: { input: 0, output: 100 } }];
    const models = openai(await open("budgets", developer, { usage: {}, modelFacts }));
    await models.create(bounded(24_000));
    expect(await denialOf(models.create(bounded(25_001)))).toMatchObject({
      reason: "the budget of this task is spent",
      remediation: { type: "step_up", approvers_role: "budget_owner" },
    });
    expect(america.requests).toHaveLength(1);
  });

  it("counts the calls of a user over the day, whatever the task, and exactly", async () => {
    const session = await open("budgets", developer, { usage: {} });
    const hop = { kind: "llm_model", id: "gpt-4o-mini", action: "completion" };
    const ask = async () => {
      const decision = await session.check(hop);
      if (decision.effect === "deny") return decision.denial;
      decision.settle("done", { input_tokens: 1, output_tokens: 1 });
      return undefined;
    };
    const denials = [];
    for (let round = 0; round < 21; round++) {
      denials.push(...(await Promise.all(Array.from({ length: round < 20 ? 50 : 1 }, ask))));
    }
    expect(denials.filter((denial) => denial)).toMatchObject([
      {
        reason: "the calls of this user are used up for today",
        remediation: { type: "wait", until: "tomorrow" },
      },
    ]);
  });

  it("sends nothing where nobody counts", async () => {
    await denialOf(openai(await open("budgets", developer)).create(bounded(1)));
    expect(america.requests).toEqual([]);
  });
});

describe("tool_allow_lists", () => {
  const tools = ["payment_get", "refund_list", "refund_issue"];
  /** The limit is the directory's to say, and not the caller's. */
  const limits = {
    name: "limits",
    adds: "principal",
    keys: ["refund_limit_cents"],
    provide: () => Promise.resolve({ refund_limit_cents: 5000 }),
  } as const;
  const pay = async (who: Who) =>
    openServer(await open("tool_allow_lists", who, { enrich: [limits] }), { server: "payments" }, tools);

  it("shows and lets each agent use its own tools, for people who may", async () => {
    const reader = await pay({ roles: ["refund_approver"], agent: "billing-reader" });
    expect(await reader.list()).toEqual(["payment_get", "refund_list"]);
    expect(await reader.call("payment_get")).toBe("done");
    expect(await reader.call("refund_issue", { amount_cents: 1 })).toMatchObject({ code: "policy_denied" });
    expect(reader.called()).toEqual(["payment_get"]);
    const supported = await pay({ roles: ["support"], agent: "refund-bot" });
    expect(await supported.call("refund_issue", { amount_cents: 1 })).toMatchObject({
      code: "policy_denied",
    });
    expect(supported.called()).toEqual([]);
  });

  it("refunds up to the limit of the person, and asks for another above", async () => {
    const who = { roles: ["refund_approver"], agent: "refund-bot", attr: { refund_limit_cents: 1_000_000 } };
    const bot = await pay(who);
    expect(await bot.call("refund_issue", { amount_cents: 5000 })).toBe("done");
    expect(await bot.call("refund_issue", { amount_cents: 5001 })).toMatchObject({
      reason: "the amount is above the limit of the one who asks",
      remediation: { type: "step_up", approvers_role: "refund_approver" },
    });
    expect(await bot.call("refund_issue", { amount_cents: 0.5 })).toMatchObject({
      reason: "amount_cents must be whole cents",
    });
    expect(bot.called()).toEqual(["refund_issue"]);
  });

  it("opens for no agent that is on no list", async () => {
    const session = await open("tool_allow_lists", { roles: ["refund_approver"], agent: "other" });
    expect(await denialOf(openServer(session, { server: "payments" }, tools))).toMatchObject({
      hop: { kind: "mcp_payments", action: "initialize" },
    });
  });
});

describe("team_projects", () => {
  it("changes the projects of one's own team, as a service knows them", async () => {
    const owners = await serve((request) =>
      Promise.resolve(
        request.url.endsWith("/web") || request.url.endsWith("/api")
          ? Response.json({
              id: request.url.slice(-3),
              owningTeamID: request.url.endsWith("/web") ? "team-7" : "team-8",
            })
          : new Response(null, { status: 404 }),
      ),
    );
    onTestFinished(() => owners.stop());
    const project = httpJson({
      name: "project",
      url: `${owners.url}/projects/{id}`,
      params: ({ hop }) => ({ id: argumentsOf(hop).project_id }),
      applies: (hop) => "project_id" in argumentsOf(hop),
    });
    const session = await open(
      "team_projects",
      { roles: ["engineer"], attr: { teams: ["team-7"] } },
      { enrich: [project] },
    );
    const tools = ["project_list", "project_update", "project_deploy"];
    const server = await openServer(session, { server: "projects" }, tools);
    expect(await server.list()).toEqual(tools);
    expect(await server.call("project_list")).toBe("done");
    expect(await server.call("project_deploy", { project_id: "web" })).toBe("done");
    expect(await server.call("project_deploy", { project_id: "api" })).toMatchObject({
      reason: "the project belongs to another team",
      remediation: { type: "ask_owner" },
    });
    expect(await server.call("project_deploy", { project_id: "nowhere" })).toMatchObject({
      code: "enrichment_failed",
    });
    expect(await server.call("project_deploy")).toMatchObject({ code: "policy_denied" });
    expect(server.called()).toEqual(["project_list", "project_deploy"]);
  });
});

describe("break_glass", () => {
  const options: GuardTransportOptions = {
    server: "cluster",
    effects: { pod_list: "read", volume_delete: "destructive" },
  };
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

  it("shows and runs what destroys only while glass is broken, for a reason and a time", async () => {
    let glass: readonly object[] = [];
    const onCall = sqlQuery({
      name: "on_call",
      adds: "principal",
      keys: ["break_glass"],
      sql: "select until, reason from broken_glass where user_id = ?",
      params: ({ principal }) => [principal.id],
      query: () => [{ break_glass: glass[0] ?? null }],
    });
    const session = await open("break_glass", { roles: ["operator"] }, { enrich: [onCall] });
    const server = await openServer(session, options, ["pod_list", "volume_delete", "unclassified"]);
    const reason = "INC-77 the queue is stuck";

    expect(await server.list()).toEqual(["pod_list", "unclassified"]);
    expect(await server.call("volume_delete")).toMatchObject({ code: "policy_denied" });
    for (const bad of [
      { until: inHours(-0.1), reason },
      { until: inHours(24), reason },
      { until: inHours(1), reason: "" },
      { until: inHours(1) },
    ]) {
      glass = [bad];
      expect(await server.list()).toEqual(["pod_list", "unclassified"]);
      expect(await server.call("volume_delete")).toMatchObject({ code: "policy_denied" });
    }
    expect(server.called()).toEqual([]);

    glass = [{ until: inHours(1), reason }];
    expect(await server.list()).toEqual(["pod_list", "volume_delete", "unclassified"]);
    expect(await server.call("volume_delete")).toBe("done");
    expect(await server.call("unclassified")).toMatchObject({ code: "policy_denied" });
    expect(server.called()).toEqual(["volume_delete"]);
  });
});

describe("sequences", () => {
  const tools = ["order_lookup", "refund_issue", "payroll_read", "report_export"];
  const shop = async (answer?: RawAnswer) =>
    openServer(await open("sequences", { roles: ["clerk"] }), { server: "shop" }, tools, answer);

  it("refunds after a look-up that was done, and not after one that failed", async () => {
    let isThere = false;
    const clerk = await shop(() => ({ ...rawText("order"), isError: !isThere }));
    expect(await clerk.call("refund_issue")).toMatchObject({
      reason: "look the order up first",
      remediation: { type: "call_first", tool: "order_lookup" },
    });
    expect(await clerk.call("order_lookup")).toBe("failed");
    expect(await clerk.call("refund_issue")).toMatchObject({ code: "policy_denied" });
    isThere = true;
    expect(await clerk.call("order_lookup")).toBe("done");
    expect(await clerk.call("refund_issue")).toBe("done");
    expect(clerk.called()).toEqual(["order_lookup", "order_lookup", "refund_issue"]);
  });

  it("exports nothing once payroll was tried, and nothing at all after fifteen steps", async () => {
    const clerk = await shop();
    expect(await clerk.call("report_export")).toBe("done");
    expect(await clerk.call("payroll_read")).toBe("done");
    expect(await clerk.call("report_export")).toMatchObject({
      reason: "nothing is exported after payroll was read in the same session",
    });
    const other = await shop();
    const results = [];
    for (let step = 0; step < 20; step++) results.push(await other.call("order_lookup"));
    expect(results.at(-1)).toMatchObject({ reason: "this session has taken too many steps" });
    expect(other.called().length).toBeLessThanOrEqual(15);
  });

  it("holds for an application that says itself how its calls went", async () => {
    const session = await open("sequences", { roles: ["clerk"] });
    const ask = async (tool: string) => session.check({ kind: "mcp_shop", action: `tools/call/${tool}` });
    const lookup = await ask("order_lookup");
    expect((await ask("refund_issue")).effect).toBe("deny");
    if (lookup.effect === "allow") lookup.settle("done");
    expect((await ask("refund_issue")).effect).toBe("allow");
  });
});

describe("delegation", () => {
  const tools = ["payment_get", "balance_get", "refund_issue"];
  const lead: Who = { roles: ["tier-2-lead"], agent: "planner" };
  const tier1: Who = { roles: ["tier-1-support"], agent: "planner" };
  const reads = { type: "mcp_payments", actions: ["tools/call/payment_get"] };
  const refundsUpTo = (maximum: number): AuthorizationDetails => ({
    type: "mcp_payments",
    actions: ["tools/call/refund_issue"],
    constraints: { "arguments.amount_cents": { maximum } },
  });
  const toExecutor = async (
    who: Who,
    authorization_details: readonly AuthorizationDetails[],
    options: Partial<DelegateOptions> = {},
  ): Promise<Session> =>
    (await open("delegation", who)).delegate({ to: "executor", authorization_details, ...options });

  it("lets the executor refund what a planner may not, as far as the planner has said and the user may", async () => {
    const planner = await openServer(await open("delegation", lead), { server: "payments" }, tools);
    expect(await planner.list()).toEqual(["payment_get", "balance_get"]);
    expect(await planner.call("refund_issue", { amount_cents: 1 })).toMatchObject({
      reason: "refunds are the executor's work",
      remediation: { type: "delegate", to: "executor" },
    });
    expect(planner.called()).toEqual([]);

    const session = await toExecutor(lead, [reads, refundsUpTo(5000)]);
    const executor = await openServer(session, { server: "payments" }, tools);
    expect(await executor.list()).toEqual(["payment_get", "refund_issue"]);
    expect(await executor.call("refund_issue", { amount_cents: 5000 })).toBe("done");
    expect(await executor.call("refund_issue", { amount_cents: 0.5 })).toMatchObject({
      reason: "amount_cents must be whole cents",
    });
    for (const amount_cents of [5001, "1"])
      expect(await executor.call("refund_issue", { amount_cents })).toMatchObject({ decision: "deny" });
    expect(await executor.call("balance_get")).toMatchObject({ code: "delegation_invalid" });
    expect(executor.called()).toEqual(["refund_issue"]);
  });

  it("lets a tier-1 user's planner hand on reads, and no refund", async () => {
    const executor = await openServer(await toExecutor(tier1, [reads]), { server: "payments" }, tools);
    expect(await executor.list()).toEqual(["payment_get"]);
    expect(await executor.call("payment_get")).toBe("done");
    // Refunds are more than this user may, in whosever hands.
    const denial = await denialOf(toExecutor(tier1, [refundsUpTo(1)]));
    expect(denial.code).toBe("delegation_invalid");
    expect(denial.reason).toContain("more than policies ever allow");
  });

  it.each<[string, Who, AuthorizationDetails, Partial<DelegateOptions>, string]>([
    [
      "another agent than the planner",
      { ...lead, agent: "helper" },
      reads,
      {},
      "only the planner hands work to the executor",
    ],
    [
      "a refund above the limit",
      lead,
      refundsUpTo(20_001),
      {},
      "hand on refunds with a lower limit for arguments.amount_cents",
    ],
    [
      "a refund without a limit",
      lead,
      { type: "mcp_payments", actions: ["tools/call/refund_issue"] },
      {},
      "hand on refunds with a lower limit for arguments.amount_cents",
    ],
    [
      "actions that are not named in full",
      lead,
      { type: "mcp_payments", actions: ["tools/call/*"] },
      {},
      "the executor reads and refunds payments and has no other work",
    ],
    [
      "refunds for longer than an hour",
      lead,
      refundsUpTo(1),
      { expiresIn: 3601 },
      "refunds are handed on for an hour at most",
    ],
    [
      "refunds to be handed on",
      lead,
      refundsUpTo(1),
      { mayDelegate: true },
      "who may refund may not hand that on",
    ],
  ])("refuses %s", async (_, who, details, options, reason) => {
    expect(await denialOf(toExecutor(who, [details], options))).toMatchObject({
      code: "policy_denied",
      reason,
    });
  });

  it("hands on less the further from the user", async () => {
    const frontDesk = await open("delegation", { ...lead, agent: "front_desk" });
    const all = [reads, refundsUpTo(5000)];
    // Refunds are the executor's alone, one delegation from the user: in the planner's hands they are nothing to hand on.
    expect(
      await denialOf(frontDesk.delegate({ to: "planner", authorization_details: all, mayDelegate: true })),
    ).toMatchObject({ code: "delegation_invalid" });
    const planner = await frontDesk.delegate({
      to: "planner",
      authorization_details: [reads],
      mayDelegate: true,
    });
    const session = await planner.delegate({ to: "executor", authorization_details: [reads] });
    const executor = await openServer(session, { server: "payments" }, tools);
    expect(await executor.call("payment_get")).toBe("done");
    expect(await executor.call("refund_issue", { amount_cents: 1 })).toMatchObject({ decision: "deny" });
    expect(executor.called()).toEqual(["payment_get"]);
    const deep = await open("delegation", lead);
    const further = { depth: 3, may_delegate: false, grant: [] };
    expect(await deep.check({ kind: "a2a_executor", action: "delegate", attr: further })).toMatchObject({
      denial: { reason: "this is too far from the user for what it holds" },
    });
  });
});

describe("agent_routing", () => {
  const billing = (action: string, skill?: string) => ({
    kind: "a2a_billing",
    action,
    attr: { agent: "billing", ...(skill !== undefined && { skill }) },
  });
  const employee = (agent: string): Who => ({ roles: ["employee"], agent });

  it("lets an agent ask for the skills of its route", async () => {
    const triage = await open("agent_routing", employee("triage"));
    expect(await triage.check(billing("message/send", "invoice_lookup"))).toMatchObject({ effect: "allow" });
    expect(await triage.check(billing("tasks/get"))).toMatchObject({ effect: "allow" });
    for (const hop of [billing("message/send", "invoice_correction"), billing("message/send")])
      expect(await triage.check(hop)).toMatchObject({ effect: "deny" });
    const planner = await open("agent_routing", employee("planner"));
    expect(await planner.check(billing("message/send", "invoice_correction"))).toMatchObject({
      effect: "allow",
    });
  });

  it("shows the agent to those who may write to it", async () => {
    const shown = async (who: Who) =>
      (await (await open("agent_routing", who)).capabilities({ agents: ["billing"] })).agents.billing;
    expect(await shown(employee("triage"))).toBe("conditional");
    expect(await shown(employee("executor"))).toBe("never");
    expect(await shown({ roles: ["guest"], agent: "triage" })).toBe("never");
  });

  it("says whom to ask where there is no route", async () => {
    const executor = await open("agent_routing", employee("executor"));
    for (const hop of [billing("message/send", "invoice_lookup"), billing("card"), billing("tasks/get")])
      expect(await executor.check(hop)).toMatchObject({
        denial: {
          reason: "this agent has no route to billing",
          remediation: { type: "ask_agent", agent: "planner" },
        },
      });
  });
});

describe("agent_roles", () => {
  const tools = ["refund_issue"];
  const principal = { agents: "principal" } as const;
  const grant = [{ type: "mcp_payments", actions: ["tools/call/refund_issue"] }];
  const refunder = (refund_cap_cents: unknown) => ({
    id: "executor",
    roles: ["refunder"],
    attr: { refund_cap_cents },
  });
  const planner = async (roles: readonly string[]): Promise<Session> =>
    open("agent_roles", { roles, agent: { id: "planner", roles: ["planner"] } }, principal);

  it("allows what the user may, the acting agent may, and those behind it stand for", async () => {
    const session = await (
      await planner(["refund_clerk"])
    ).delegate({ to: refunder(5000), authorization_details: grant });
    const executor = await openServer(session, { server: "payments" }, tools);
    expect(await executor.call("refund_issue", { amount_cents: 5000 })).toBe("done");
    expect(await executor.call("refund_issue", { amount_cents: 5001 })).toMatchObject({
      reason: "the amount is above what this agent may refund",
      refused_by: "executor",
    });
    expect(executor.called()).toEqual(["refund_issue"]);
  });

  it("holds to the user's cap where the agent's is higher", async () => {
    const session = await (
      await planner(["refund_clerk"])
    ).delegate({ to: refunder(100_000), authorization_details: grant });
    const executor = await openServer(session, { server: "payments" }, tools);
    expect(await executor.call("refund_issue", { amount_cents: 50_000 })).toBe("done");
    expect(await executor.call("refund_issue", { amount_cents: 50_001 })).toMatchObject({
      reason: "the amount is above what this user may refund",
      refused_by: "subject",
    });
    expect(executor.called()).toEqual(["refund_issue"]);
  });

  it("gives nothing to a planner itself, to an agent without the role, or to a user who has an agent's", async () => {
    const clerk = await planner(["refund_clerk"]);
    expect(await denialOf(openServer(clerk, { server: "payments" }, tools))).toMatchObject({
      code: "policy_denied",
      refused_by: "planner",
    });
    const bare = { to: "executor", authorization_details: grant };
    expect(await denialOf(clerk.delegate(bare))).toMatchObject({ code: "delegation_invalid" });
    const pretender = await planner(["refunder", "planner", "agent"]);
    const delegation = { to: refunder(5000), authorization_details: [] };
    expect(await denialOf(pretender.delegate(delegation))).toMatchObject({
      code: "policy_denied",
      refused_by: "subject",
    });
  });
});
