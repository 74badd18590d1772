import { describe, expect, it } from "vitest";
import {
  describeHop,
  readHop,
  snapshotHop,
  withValidArguments,
  type Hop,
  type HopSnapshot,
} from "../../src/core/hop";
import { Refusal } from "../../src/core/refusal";
import type { StandardSchema } from "../../src/core/standard-schema";

const take = (hop: Partial<Record<keyof Hop, unknown>>): HopSnapshot => {
  const taken = snapshotHop(readHop(hop as unknown as Hop), "d-1", {});
  if (taken.refusal) throw taken.refusal;
  return taken.hop;
};

const refusal = (hop: Partial<Record<keyof Hop, unknown>>): Pick<Refusal, "code" | "message"> => {
  try {
    take(hop);
  } catch (error) {
    if (error instanceof Refusal) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("accepted");
};

describe("a hop", () => {
  it("to a server, toolset or agent has an id of the decision's own", () => {
    expect(take({ kind: "mcp_payments", id: "mine", action: "initialize" })).toMatchObject({
      id: "payments/d-1",
      name: "payments",
      attr: { server: "payments" },
    });
    expect(take({ kind: "tool_desk", action: "tools/call/x" })).toMatchObject({
      id: "desk/d-1",
      attr: { toolset: "desk" },
    });
    expect(take({ kind: "a2a_bot", action: "message/send" })).toMatchObject({
      id: "bot/d-1",
      attr: { agent: "bot" },
    });
  });

  it("to a model, or of the application's own, has the id that was given", () => {
    expect(take({ kind: "llm_model", id: "gpt-4o", action: "completion" })).toMatchObject({
      id: "gpt-4o",
      name: "gpt-4o",
    });
    expect(take({ kind: "document", id: "Über 9 / straße", action: "read" }).id).toBe("Über 9 / straße");
  });

  it("cannot say another server, tool or prompt than its kind and action say", () => {
    const lie = { server: "tickets", tool: "ticket_get", prompt: "greet", toolset: "x" };
    expect(take({ kind: "mcp_payments", action: "tools/call/refund_issue", attr: lie }).attr).toMatchObject({
      server: "payments",
      tool: "refund_issue",
    });
    expect(take({ kind: "mcp_payments", action: "prompts/get/evil", attr: lie }).attr).toMatchObject({
      server: "payments",
      prompt: "evil",
    });
    expect(take({ kind: "tool_desk", action: "tools/call/a/b", attr: lie }).attr).toMatchObject({
      toolset: "desk",
      tool: "a/b",
    });
  });

  it("is frozen, and reads each of its members once", () => {
    let reads = 0;
    const hop = take({
      get kind() {
        return ++reads === 1 ? "mcp_tickets" : "mcp_payroll";
      },
      action: "tools/call/ticket_get",
      attr: { arguments: { id: [1] } },
    });
    expect(reads).toBe(1);
    expect(hop.kind).toBe("mcp_tickets");
    expect([hop, hop.attr, hop.attr.arguments].every(Object.isFrozen)).toBe(true);
  });
});

describe("a hop is refused", () => {
  it.each([
    [{ kind: "mcp_pay-roll", action: "initialize" }],
    [{ kind: "mcp_Payroll", action: "initialize" }],
    [{ kind: "mcp_", action: "initialize" }],
    [{ kind: "mcp_a*", action: "initialize" }],
    [{ kind: 7, action: "initialize" }],
    [{ kind: "__proto__", action: "read", id: "x" }],
    [{ kind: "mcp_payments", action: "tools/call/*" }],
    [{ kind: "mcp_payments", action: "tools/call/é" }],
    [{ kind: "mcp_payments", action: ["initialize"] }],
    [{ kind: "mcp_payments" }],
    [{ kind: "llm_model", action: "completion" }],
    [{ kind: "llm_model", id: "gpt-4o ", action: "completion" }],
    [{ kind: "llm_model", id: "gpt-4\u043e", action: "completion" }],
    [{ kind: "document", id: "", action: "read" }],
    [{ kind: "document", id: "a\nb", action: "read" }],
    [{ kind: "document", id: "a\u202eb", action: "read" }],
    [{ kind: "document", id: "\ud800", action: "read" }],
    [{ kind: "mcp_payments", action: "initialize", attr: { context: {} } }],
    [{ kind: "mcp_payments", action: "initialize", attr: { facts: {} } }],
    [
      {
        kind: "document",
        id: "1",
        action: "read",
        attr: { toJSON: () => ({ context: { environment: "test" } }) },
      },
    ],
  ])("as unsupported: %j", (hop) => expect(refusal(hop).code).toBe("unsupported_hop"));

  it.each([
    ["a list", [1]],
    ["null", null],
    ["text", '{"a":1}'],
    ["a bigint within", { arguments: { a: 1n } }],
    ["200 levels", { arguments: deep(200) }],
    ["five megabytes", { arguments: { text: "x".repeat(5_000_000) } }],
    ["a lone surrogate", { arguments: { a: "\ud800" } }],
  ])("for attributes that are no plain JSON object: %s", (_, attr) => {
    expect(refusal({ kind: "mcp_payments", action: "tools/call/x", attr }).code).toBe("arguments_invalid");
  });

  it("without an echo of terminal escapes", () => {
    const { message } = refusal({ kind: "llm_model", id: "\u001b[31m\r\ngpt", action: "completion" });
    expect(message).toBe(
      '"[31m gpt" is not a valid id of a hop: use printable characters, without spaces for a model.',
    );
  });
});

describe("a hop's label", () => {
  it("names what was asked for, even where no grammar admits it", () => {
    expect(describeHop({ kind: "mcp_pay-roll", action: "tools/call/*" })).toEqual({
      kind: "mcp_pay-roll",
      name: "pay-roll",
      action: "tools/call/*",
    });
    expect(describeHop({ kind: 7, id: {}, action: null } as unknown as Hop)).toEqual({
      kind: "unknown",
      name: "unknown",
      action: "unknown",
    });
    expect(describeHop({ kind: "llm_model", id: "\u001b[2J", action: "x".repeat(9999) }).action).toHaveLength(
      128,
    );
  });
});

describe("arguments", () => {
  it("that are absent are none that a schema could write to", async () => {
    const adding: StandardSchema = {
      "~standard": { validate: (value) => ({ value: Object.assign(value as object, { at: new Date(0) }) }) },
    };
    await expect(
      withValidArguments(take({ kind: "tool_lab", action: "tools/call/x" }), adding, {}),
    ).rejects.toThrow(TypeError);
  });

  const call = (args: unknown): HopSnapshot =>
    take({ kind: "mcp_payments", action: "tools/call/refund_issue", attr: { arguments: args } });
  const schema = (validate: StandardSchema["~standard"]["validate"]): StandardSchema => ({
    "~standard": { validate },
  });

  it.each([[null], ["9000"], [9000], [true], [[9000]]])(
    "must be an object, with or without a schema: %j",
    async (args) => {
      await expect(withValidArguments(call(args), undefined, {})).resolves.toMatchObject({
        code: "arguments_invalid",
      });
    },
  );

  it("become what the schema makes of them, as plain frozen JSON", async () => {
    const valid = await withValidArguments(
      call({ amount: "12" }),
      schema((value) => ({ value: { ...(value as object), amount: 12, when: new Date(0) } })),
      {},
    );
    const { attr } = valid as HopSnapshot;
    expect(attr.arguments).toEqual({ amount: 12, when: "1970-01-01T00:00:00.000Z" });
    expect(Object.isFrozen(attr.arguments)).toBe(true);
  });

  it("cannot be changed by the schema in place", async () => {
    const meddling = schema((value) => {
      (value as Record<string, unknown>).amount = 1;
      return { value };
    });
    await expect(withValidArguments(call({ amount: 9000 }), meddling, {})).rejects.toThrow(TypeError);
  });

  it.each([
    ["a list", [1]],
    ["nothing", undefined],
    ["a bigint", { a: 1n }],
  ])("are refused when the schema makes %s of them", async (_, value) => {
    await expect(
      withValidArguments(
        call({}),
        schema(() => ({ value })),
        {},
      ),
    ).resolves.toMatchObject({
      code: "arguments_invalid",
    });
  });

  it("say what was expected where, cleaned and for three issues at most", async () => {
    const issues = [1, 2, 3, 4].map((number) => ({
      message: `expected\u001b ${number}`,
      path: ["lines", number, { key: "cents" }],
    }));
    const refused = withValidArguments(
      call({}),
      schema(() => ({ issues })),
      {},
    );
    await expect(refused).resolves.toMatchObject({
      message:
        "arguments.lines.1.cents: expected 1; arguments.lines.2.cents: expected 2; arguments.lines.3.cents: expected 3.",
    });
  });
});

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = { value };
  return value;
}
