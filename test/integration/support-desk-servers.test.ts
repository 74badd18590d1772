import { request } from "node:http";
import {
  Client as Client2,
  StreamableHTTPClientTransport as HttpTransport2,
} from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HttpTransport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  startServers,
  type RunningMcpServer,
  type SupportDeskServers,
} from "../../examples/support-desk/servers";

const info = { name: "support-desk-test", version: "1.0.0" };

/** The three ways of connecting, reduced to what the tests ask of a client. */
const clients = [
  {
    name: "client 1.x",
    opening: () => ["initialize", "notifications/initialized"],
    connect: async ({ url }: RunningMcpServer) => {
      const client = new Client1(info);
      await client.connect(new HttpTransport1(new URL(url)));
      return client;
    },
  },
  {
    name: "client 2.x on revision 2025-11-25",
    opening: () => ["initialize", "notifications/initialized"],
    connect: async ({ url }: RunningMcpServer) => {
      const client = new Client2(info);
      await client.connect(new HttpTransport2(new URL(url)));
      return client;
    },
  },
  {
    name: "client 2.x that negotiates revision 2026-07-28",
    opening: (sdk: 1 | 2) =>
      sdk === 2 ? ["server/discover"] : ["server/discover", "initialize", "notifications/initialized"],
    connect: async ({ url }: RunningMcpServer) => {
      const client = new Client2(info, { versionNegotiation: { mode: "auto" } });
      await client.connect(new HttpTransport2(new URL(url)));
      return client;
    },
  },
];

type AnyClient = Awaited<ReturnType<(typeof clients)[number]["connect"]>>;

let servers: SupportDeskServers;
beforeEach(async () => {
  servers = await startServers();
});
afterEach(() => servers.stop());

describe.each(clients)("the support desk's servers, asked by $name", ({ connect, opening }) => {
  const open: AnyClient[] = [];
  const connectTo = async (server: RunningMcpServer) => {
    const client = await connect(server);
    open.push(client);
    return client;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.close()));
  });

  /** Calls a tool; a tool's own error rejects with its text. */
  const call = async (
    client: AnyClient,
    name: string,
    args: Record<string, unknown> = {},
  ): Promise<unknown> => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    const [block] = content as { text: string }[];
    if (isError === true) throw new Error(block?.text);
    return JSON.parse(block?.text ?? "") as unknown;
  };

  it("lists each server's tools, with closed schemas and annotations", async () => {
    const listed = async (server: RunningMcpServer) => {
      const { tools } = await (await connectTo(server)).listTools();
      for (const { inputSchema } of tools) expect(inputSchema).toMatchObject({ additionalProperties: false });
      return Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint]));
    };

    expect(await listed(servers.tickets)).toEqual({
      ticket_get: true,
      ticket_list: true,
      ticket_comment: false,
      ticket_set_status: false,
    });
    expect(await listed(servers.crm)).toEqual({ customer_get: true, order_get: true });
    expect(await listed(servers.payments)).toEqual({
      payment_get: true,
      balance_get: true,
      refund_issue: false,
    });
    expect(await listed(servers.payroll)).toEqual({ salary_get: true, salary_set: false });
  });

  it("declares the amount of a refund as a required integer", async () => {
    const { tools } = await (await connectTo(servers.payments)).listTools();
    const refund = tools.find(({ name }) => name === "refund_issue");

    expect(refund?.inputSchema).toMatchObject({
      properties: { amount_cents: { type: "integer" }, reason: { type: "string" } },
      required: ["ticket_id", "payment_id", "amount_cents"],
    });
    expect(refund?.annotations).toMatchObject({ destructiveHint: true, idempotentHint: false });
  });

  it("works on tickets: reads, lists, comments and changes their status", async () => {
    const client = await connectTo(servers.tickets);

    expect(await call(client, "ticket_get", { ticket_id: "T-1001" })).toMatchObject({
      customer_id: "C-7",
      order_id: "O-5001",
      payment_id: "P-9001",
    });
    await call(client, "ticket_comment", { ticket_id: "T-1001", body: "On its way." });
    await call(client, "ticket_set_status", { ticket_id: "T-1001", status: "closed" });
    expect(await call(client, "ticket_list", { status: "open" })).toMatchObject([{ ticket_id: "T-1003" }]);
    expect(await call(client, "ticket_list")).toHaveLength(3);
    expect(servers.desk.tickets.get("T-1001")).toMatchObject({ status: "closed", comments: ["On its way."] });
  });

  it("reads customers, orders and salaries, and sets a salary", async () => {
    const crm = await connectTo(servers.crm);
    const payroll = await connectTo(servers.payroll);

    expect(await call(crm, "customer_get", { customer_id: "C-7" })).toMatchObject({ name: "Noor Haddad" });
    expect(await call(crm, "order_get", { order_id: "O-5001" })).toMatchObject({ total_cents: 1_200_000 });
    await call(payroll, "salary_set", { employee_id: "E-1", amount_cents: 530_000 });
    expect(await call(payroll, "salary_get", { employee_id: "E-1" })).toMatchObject({
      amount_cents: 530_000,
    });
  });

  it("moves money when a refund is issued, 40 dollars and then 9,000", async () => {
    const client = await connectTo(servers.payments);
    const target = { ticket_id: "T-1001", payment_id: "P-9001" };
    await call(client, "refund_issue", { ...target, amount_cents: 4_000, reason: "scratched" });
    await call(client, "refund_issue", { ...target, amount_cents: 900_000 });

    expect(await call(client, "balance_get")).toEqual({ balance_cents: 5_000_000 - 904_000 });
    expect(await call(client, "payment_get", { payment_id: "P-9001" })).toMatchObject({
      refunded_cents: 904_000,
      refunds: [
        { amount_cents: 4_000, reason: "scratched" },
        { amount_cents: 900_000, reason: "" },
      ],
    });
  });

  it("moves nothing for a refund that is too large, mismatched or malformed", async () => {
    const client = await connectTo(servers.payments);
    const good = { ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 4_000 };
    const refund = (args: Record<string, unknown>) => call(client, "refund_issue", args);

    await expect(refund({ ...good, amount_cents: 1_200_001 })).rejects.toThrow("No more than 1200000 cents");
    await expect(refund({ ...good, payment_id: "P-9002" })).rejects.toThrow("not the payment of T-1001");
    await expect(refund({ ...good, payment_id: "P-1" })).rejects.toThrow("There is no P-1.");
    for (const bad of [
      { amount_cents: "4000" },
      { amount_cents: undefined },
      { amount_cents: 0.5 },
      { to: "me" },
    ]) {
      await expect(refund({ ...good, ...bad })).rejects.toThrow();
    }
    expect(servers.desk.account).toEqual({ balance_cents: 5_000_000 });
    expect(servers.desk.payments.get("P-9001")?.refunds).toEqual([]);
  });

  it("counts the messages that reached each server", async () => {
    const tickets = await connectTo(servers.tickets);
    await call(tickets, "ticket_get", { ticket_id: "T-1002" });
    const payments = await connectTo(servers.payments);
    await payments.listTools();

    expect(servers.tickets.requests).toEqual([
      ...opening(1).map((method) => ({ method })),
      { method: "tools/call", tool: "ticket_get", arguments: { ticket_id: "T-1002" } },
    ]);
    expect(servers.payments.requests).toEqual([...opening(2), "tools/list"].map((method) => ({ method })));
    expect(servers.tickets.httpRequests).toBeGreaterThanOrEqual(servers.tickets.requests.length);
    expect(servers.payroll).toMatchObject({ requests: [], httpRequests: 0 });

    servers.tickets.reset();
    expect(servers.tickets).toMatchObject({ requests: [], httpRequests: 0 });
  });
});

describe("the support desk's servers on loopback", () => {
  it("refuse a web page that comes under a name of its own", async () => {
    const { url } = servers.payments;
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request(url, { method: "POST", headers: { host: "evil.example" } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(403);
  });

  it("answer a body that is not JSON with a parse error", async () => {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    for (const { url } of [servers.tickets, servers.payments]) {
      const response = await fetch(url, { method: "POST", headers, body: "{" });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: -32700 } });
    }
  });

  it("stop twice without harm, and are gone after", async () => {
    await servers.stop();
    await servers.stop();
    await expect(fetch(servers.crm.url)).rejects.toThrow("fetch failed");
  });
});
