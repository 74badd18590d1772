import { AuthorizationDeniedError, findDenial, type Denial, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import {
  startServers,
  type RunningMcpServer,
  type SupportDeskServers,
} from "../../examples/support-desk/servers";
import { openDesk, type Desk } from "../support/desk";
import { MCP_CLIENTS, type AnyMcpClient } from "../support/mcp-clients";

let desk: Desk;
let servers: SupportDeskServers;
let tier1: Session;

beforeAll(async () => {
  [desk, servers] = await Promise.all([openDesk(), startServers()]);
});
afterAll(async () => {
  await Promise.all([desk.close(), servers.stop()]);
});
beforeEach(async () => {
  desk.reset();
  for (const server of [servers.payments, servers.payroll, servers.tickets, servers.crm]) server.reset();
  tier1 = await desk.session("tier-1-support");
});

const refund = { ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 100 };

const count = ({ requests }: RunningMcpServer, method: string): number =>
  requests.filter((request) => request.method === method).length;

/** The denial that a tool call was answered with. */
const denialOf = (result: unknown): Denial => {
  const denial = findDenial(result);
  if (!denial) throw new Error("There is no denial in the result.");
  expect(result).toMatchObject({ isError: true });
  expect(result).not.toHaveProperty("structuredContent");
  const [block] = (result as { content: { type: string; text: string }[] }).content;
  expect(JSON.parse(block?.text ?? "")).toEqual(denial);
  return denial;
};

describe.each(MCP_CLIENTS)("the support desk over MCP, with $name", ({ connect }) => {
  const payments = (session = tier1): Promise<AnyMcpClient> =>
    connect(servers.payments.url, session, { server: "payments", effects: { refund_issue: "destructive" } });

  it("never reaches a server that the policy denies", async () => {
    const opening = connect(servers.payroll.url, tier1, { server: "payroll" });
    await expect(opening).rejects.toBeInstanceOf(AuthorizationDeniedError);
    await expect(opening).rejects.toMatchObject({
      denial: { code: "policy_denied", hop: { kind: "mcp_payroll", name: "payroll", action: "initialize" } },
    });
    expect(servers.payroll.httpRequests).toBe(0);
  });

  it("lists the tools, and calls one within its cap with what the policy saw", async () => {
    const client = await payments();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["payment_get", "balance_get", "refund_issue"]);
    const result = await client.callTool({ name: "refund_issue", arguments: refund });
    expect(result.isError).not.toBe(true);
    expect(result.structuredContent).toMatchObject({ payment_id: "P-9001" });
    expect(servers.payments.requests.at(-1)).toEqual({
      method: "tools/call",
      tool: "refund_issue",
      arguments: refund,
    });
    expect(desk.records.at(-1)).toMatchObject({
      effect: "allow",
      hop: { kind: "mcp_payments", name: "payments", action: "tools/call/refund_issue" },
    });
  });

  it("answers a refund above the cap in the server's place, with what would help", async () => {
    const client = await payments();
    await client.listTools();
    const denial = denialOf(
      await client.callTool({ name: "refund_issue", arguments: { ...refund, amount_cents: 5001 } }),
    );
    expect(denial).toMatchObject({
      code: "policy_denied",
      reason: "tier-1-support refund cap exceeded",
      remediation: { type: "step_up", approvers_role: "tier-2-lead" },
      retryable: false,
      refused_by: "subject",
    });
    expect(desk.records.filter(({ decision_id }) => decision_id === denial.decision_id)).toHaveLength(1);
    expect(count(servers.payments, "tools/call")).toBe(0);
  });

  it.each([["9000"], [null], [[9000]], [{ v: 9000 }], [true], [9000.5], [undefined]])(
    "denies the amount %j before the policy compares it with a number",
    async (amount_cents) => {
      const client = await payments();
      const denial = denialOf(
        await client.callTool({ name: "refund_issue", arguments: { ...refund, amount_cents } }),
      );
      expect(denial.code).toBe("arguments_invalid");
      expect(denial.reason).toContain("arguments.amount_cents: ");
      expect(denial.reason).not.toContain("9000");
      expect(desk.records.at(-1)?.pdp_call_ids).toEqual([]);
      expect(count(servers.payments, "tools/call")).toBe(0);
    },
  );

  it.each([["[]"], [[]], ["text"], [7]])("denies arguments that are no object: %j", async (given) => {
    const client = await payments();
    const call = client.callTool({ name: "refund_issue", arguments: given as never });
    expect(findDenial(await call.catch((error: unknown) => error))?.code).toBe("arguments_invalid");
    expect(count(servers.payments, "tools/call")).toBe(0);
  });

  it("lists the tools by itself when a call comes before any list, and once for many", async () => {
    const client = await payments();
    const results = await Promise.all(
      [1, 2, 3].map((amount_cents) =>
        client.callTool({ name: "refund_issue", arguments: { ...refund, amount_cents } }),
      ),
    );
    expect(results.map(({ isError }) => isError)).not.toContain(true);
    expect(count(servers.payments, "tools/list")).toBe(1);
    expect(count(servers.payments, "tools/call")).toBe(3);
  });

  it("denies a tool that the server does not have, and does not list again for it", async () => {
    const client = await payments();
    for (const name of ["refund_everything", "refund_everything", "constructor", "__proto__"]) {
      const denial = denialOf(await client.callTool({ name, arguments: {} }));
      expect(denial.code).toBe("unsupported_hop");
    }
    expect(count(servers.payments, "tools/list")).toBe(1);
    expect(count(servers.payments, "tools/call")).toBe(0);
  });

  it.each([
    "refund_*",
    "refund_issue ",
    "refund_issue\n",
    "tools/call/*?",
    "",
    "réfund_issue",
    "refund_іssue",
  ])("denies the tool name %j without asking anybody", async (name) => {
    const client = await payments();
    const denial = denialOf(await client.callTool({ name, arguments: refund }));
    expect(denial.code).toBe("unsupported_hop");
    expect(desk.records.at(-1)?.pdp_call_ids).toEqual([]);
    expect(count(servers.payments, "tools/call")).toBe(0);
  });

  it("sends what was checked, whatever happens to it after the call", async () => {
    const client = await payments();
    await client.listTools();
    let reads = 0;
    const fickle = {
      ...refund,
      get amount_cents() {
        return ++reads === 1 ? 200 : 900_000;
      },
    };
    const shifty = { ...refund, toJSON: () => ({ ...refund, amount_cents: 201 }) };
    const mutated = { ...refund, amount_cents: 202 };
    const calls = [fickle, shifty, mutated].map((args) =>
      client.callTool({ name: "refund_issue", arguments: args }),
    );
    mutated.amount_cents = 900_000;
    mutated.payment_id = "P-9002";
    await Promise.all(calls);
    const sent = servers.payments.requests.filter(({ tool }) => tool === "refund_issue");
    for (const { arguments: args } of sent) {
      expect((args as typeof refund).amount_cents).toBeLessThanOrEqual(5000);
    }
    expect(sent.map(({ arguments: args }) => args)).toContainEqual({ ...refund, amount_cents: 201 });
  });

  it("denies arguments that are too large or too deep, with words that say so", async () => {
    const client = await payments();
    let deep: unknown = 1;
    for (let level = 0; level < 200; level++) deep = { deep };
    for (const [reason, text] of [
      ["longer", "x".repeat(5_000_000)],
      ["deep", deep],
    ] as const) {
      const denial = denialOf(
        await client.callTool({ name: "refund_issue", arguments: { ...refund, reason: text } }),
      );
      expect(denial).toMatchObject({ code: "arguments_invalid", retryable: false });
      expect(denial.reason).toContain(reason);
    }
    expect(count(servers.payments, "tools/call")).toBe(0);
  });

  it("denies every later message once the session is revoked", async () => {
    const client = await payments();
    await client.listTools();
    await desk.guard.revoke({ session: tier1.id });
    servers.payments.reset();
    const denial = denialOf(await client.callTool({ name: "refund_issue", arguments: refund }));
    expect(denial.code).toBe("revoked");
    const listing = await client.listTools().catch((error: unknown) => error);
    expect(findDenial(listing)?.code).toBe("revoked");
    expect(servers.payments.requests).toEqual([]);
  });

  it("keeps 100 interleaved calls of two users apart", async () => {
    const tier2 = await desk.session("tier-2-lead");
    const [one, two] = await Promise.all([payments(tier1), payments(tier2)]);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 === 0 ? one : two).callTool({
          name: "refund_issue",
          arguments: { ...refund, amount_cents: 5001, payment_id: index % 3 === 0 ? "P-9002" : "P-9001" },
        }),
      ),
    );
    for (const [index, result] of results.entries()) {
      if (index % 2 === 0) expect(denialOf(result).reason).toBe("tier-1-support refund cap exceeded");
      else expect(findDenial(result)).toBeUndefined();
    }
    expect(count(servers.payments, "tools/call")).toBe(50);
  });

  it("answers each of many parallel calls by its own decision", async () => {
    const client = await payments();
    const amounts = [100, 9000, 101, 9001, 102, 9002];
    const results = await Promise.all(
      amounts.map((amount_cents) =>
        client.callTool({ name: "refund_issue", arguments: { ...refund, amount_cents } }),
      ),
    );
    expect(results.map((result) => findDenial(result)?.code)).toEqual([
      undefined,
      "policy_denied",
      undefined,
      "policy_denied",
      undefined,
      "policy_denied",
    ]);
    const sent = servers.payments.requests.flatMap(({ arguments: args }) => (args ? [args] : []));
    expect(sent.map((args) => (args as typeof refund).amount_cents).sort()).toEqual([100, 101, 102]);
  });

  it("asks the PDP once about calls that are made together", async () => {
    let exchanges = 0;
    const proxy = await proxyOf(desk.pdpUrl, () => exchanges++);
    const pdp = cerbos(proxy.url, { timeoutMs: 10_000 });
    const client = await payments(await desk.session("tier-1-support", { pdp }));
    await client.listTools();
    exchanges = 0;
    await Promise.all(
      Array.from({ length: 20 }, () => client.callTool({ name: "balance_get", arguments: {} })),
    );
    expect(exchanges).toBe(1);
    pdp.close();
  });

  it("denies while the PDP is away, and goes on when it is back", async () => {
    let away = false;
    const proxy = await proxyOf(desk.pdpUrl, () => {
      if (away) throw new Error("away");
    });
    const pdp = cerbos(proxy.url, { timeoutMs: 10_000 });
    const client = await payments(await desk.session("tier-1-support", { pdp }));
    await client.listTools();
    away = true;
    const denial = denialOf(await client.callTool({ name: "refund_issue", arguments: refund }));
    expect(denial.code).toMatch(/^pdp_/);
    expect(count(servers.payments, "tools/call")).toBe(0);
    away = false;
    expect(findDenial(await client.callTool({ name: "refund_issue", arguments: refund }))).toBeUndefined();
    pdp.close();
  });

  it("serves a server of SDK 1 as well", async () => {
    const client = await connect(servers.tickets.url, tier1, { server: "tickets" });
    const { tools } = await client.listTools();
    expect(tools.length).toBeGreaterThan(0);
    const read = await client.callTool({ name: "ticket_get", arguments: { ticket_id: "T-1001" } });
    expect(findDenial(read)).toBeUndefined();
    const denial = denialOf(
      await client.callTool({ name: "ticket_get", arguments: { ticket_id: ["T-1001"] } }),
    );
    expect(denial.code).toBe("arguments_invalid");
    expect(count(servers.tickets, "tools/call")).toBe(1);
  });
});

/** Stands in front of the PDP for a test. */
async function proxyOf(target: string, onRequest: () => void): Promise<{ readonly url: string }> {
  const server = await serve(async (request) => {
    onRequest();
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "application/json" };
    return fetch(`${target}${pathname}`, { method: request.method, headers, body: await request.text() });
  });
  onTestFinished(() => server.stop());
  return server;
}
