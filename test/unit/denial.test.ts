import {
  ApprovalRequiredError,
  AuthorizationDeniedError,
  ConfigurationError,
  DENIAL_META_KEY,
  DENIAL_REASONS,
  findDenial,
  HopguardError,
  parseDenial,
  type Denial,
  type DenialCode,
} from "hopguard";
import { describe, expect, it } from "vitest";
import { newDenial } from "../../src/core/denial";

const denial: Denial = {
  decision: "deny",
  code: "policy_denied",
  reason: "tier-1-support refund cap exceeded",
  remediation: { type: "step_up", approvers_role: "tier-2-lead" },
  retryable: false,
  hop: { kind: "mcp_payments", name: "payments", action: "tools/call/refund_issue" },
  refused_by: "subject",
  decision_id: "d-1",
};

describe("a denial is found", () => {
  it.each<[string, unknown]>([
    ["bare", denial],
    ["in hopguard's own error", new AuthorizationDeniedError(denial)],
    ["in an approval error", new ApprovalRequiredError(denial)],
    [
      "in an SDK's error with the provider's body",
      Object.assign(new Error("403"), { error: { type: "x", denial } }),
    ],
    ["in an error body within an error body", { error: { type: "error", error: { denial } } }],
    ["in the data of an MCP error", Object.assign(new Error("denied"), { code: 1, data: { denial } })],
    ["as the data of an MCP error", Object.assign(new Error("denied"), { code: 1, data: denial })],
    ["in a tool result's _meta", { isError: true, content: [], _meta: { [DENIAL_META_KEY]: denial } }],
    ["in a body", { status: 403, body: { denial } }],
    [
      "as the cause of a cause",
      new Error("a", { cause: new Error("b", { cause: new AuthorizationDeniedError(denial) }) }),
    ],
  ])("%s", (_, thrown) => expect(findDenial(thrown)).toEqual(denial));

  it("in an error of another copy of the package", () => {
    const foreign = Object.assign(new Error("denied"), {
      denial: JSON.parse(JSON.stringify(denial)) as unknown,
    });
    expect(findDenial(foreign)).toEqual(denial);
  });

  it("beside a cycle", () => {
    const error: Record<string, unknown> = { message: "cyclic" };
    error.cause = error;
    error.error = { cause: error, data: { denial } };
    expect(findDenial(error)).toEqual(denial);
  });
});

describe("no denial is found", () => {
  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["text", JSON.stringify(denial)],
    ["a function", () => denial],
    ["an ordinary error", new Error("no", { cause: new Error("no") })],
    ["an unknown code", { denial: { ...denial, code: "because" } }],
    ["an allow", { denial: { ...denial, decision: "allow" } }],
    ["a denial without an id", { denial: { ...denial, decision_id: undefined } }],
    ["a reason that is no text", { denial: { ...denial, reason: { toString: () => "x" } } }],
  ])("in %s", (_, thrown) => expect(findDenial(thrown)).toBeUndefined());

  it("in a chain of causes without end", () => {
    let error: Error = new AuthorizationDeniedError(denial);
    for (let depth = 0; depth < 10_000; depth++) error = new Error("again", { cause: error });
    expect(findDenial(error)).toBeUndefined();
  });

  it("in a cycle", () => {
    const error: Record<string, unknown> = {};
    error.cause = { error };
    expect(findDenial(error)).toBeUndefined();
  });
});

describe("a hostile error", () => {
  const fails = (): never => {
    throw new Error("you looked");
  };

  it("cannot make the search throw, and hides only what its getters hide", () => {
    const error = Object.defineProperties(
      {},
      { decision: { get: fails }, error: { get: fails }, cause: { value: { denial } } },
    );
    expect(findDenial(error)).toEqual(denial);
  });

  it("may be a proxy that answers nothing but exceptions", () => {
    expect(
      findDenial(new Proxy({}, { get: fails, getPrototypeOf: fails, has: fails, ownKeys: fails })),
    ).toBeUndefined();
  });

  it("may be a proxy whose every member is another", () => {
    const endless = (): object => new Proxy({}, { get: endless });
    expect(findDenial(endless())).toBeUndefined();
  });
});

describe("a denial that is made", () => {
  it("has a sentence for each code, and is retryable only where the same call may succeed", () => {
    const codes = Object.keys(DENIAL_REASONS) as DenialCode[];
    const made = codes.map((code) => newDenial(code, denial.hop, "d-2"));
    expect(made.every(({ reason }) => reason.length > 0)).toBe(true);
    expect(made.filter(({ retryable }) => retryable).map(({ code }) => code)).toEqual([
      "enrichment_failed",
      "pdp_unavailable",
      "state_unavailable",
      "audit_failed",
      "aborted",
    ]);
    expect(made.map((one) => parseDenial(JSON.parse(JSON.stringify(one))))).toEqual(made);
  });

  it("cleans its reason, wherever it came from", () => {
    expect(newDenial("unsupported_hop", denial.hop, "d-3", { reason: "a\u001b[31m\r\nb" }).reason).toBe(
      "a [31m b",
    );
    expect(newDenial("unsupported_hop", denial.hop, "d-3", { reason: "x".repeat(5000) }).reason).toHaveLength(
      300,
    );
  });
});

describe("hopguard's errors", () => {
  it("are known by their brand, from whichever copy of the package", () => {
    const error = new ApprovalRequiredError(denial);
    expect(error).toMatchObject({ name: "ApprovalRequiredError", code: "ERR_HOPGUARD_APPROVAL_REQUIRED" });
    for (const kind of [HopguardError, AuthorizationDeniedError, ApprovalRequiredError])
      expect(kind.isInstance(error)).toBe(true);
    expect(ConfigurationError.isInstance(error)).toBe(false);
    expect(AuthorizationDeniedError.isInstance(new ConfigurationError("x"))).toBe(false);
    for (const other of [undefined, null, "x", {}, new Error("x")])
      expect(HopguardError.isInstance(other)).toBe(false);
  });
});
