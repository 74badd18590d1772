import { ConfigurationError, type PrincipalInput } from "hopguard";
import { describe, expect, it } from "vitest";
import { checkedPrincipals, parseAgent, parseTask, type Actors } from "../../src/core/principal";

const agent = parseAgent({
  id: "refund-bot",
  roles: ["support-agent"],
  attr: { team: "desk" },
  harness: "support-desk",
  version: "2.3.0",
});
const task = parseTask({ id: "T-1001", attr: { ticket_id: "T-1001" } });
const auth = { method: "jwt", issuer: "https://idp.example", verified: true };

const actors = (principal: unknown, others: Partial<Actors> = {}): Actors => ({
  proof: { principal: principal as PrincipalInput, auth },
  agent,
  root: agent,
  links: [],
  maxDepth: 3,
  task,
  ...others,
});

describe("the subject", () => {
  it("carries its own attributes, and what is true of it in the guard's own names", () => {
    const [{ label, principal }] = checkedPrincipals(
      actors({ id: "u-1042", roles: ["tier-1-support"], attr: { region: "EU" } }),
      "context",
    );
    expect(label).toBe("subject");
    expect(principal).toEqual({
      id: "u-1042",
      roles: ["tier-1-support"],
      attr: {
        region: "EU",
        type: "user",
        auth,
        agent: { ...agent, verified: false },
        delegation: { depth: 0, chain: [], may_delegate: true, max_depth: 3, initiated_by: "u-1042" },
        task: { id: "T-1001", ticket_id: "T-1001" },
      },
    });
  });

  it("never has the agent's roles, nor the agent the subject's", () => {
    const pair = checkedPrincipals(actors({ id: "u-1042", roles: ["tier-1-support"] }), "principal");
    expect(pair.map(({ principal }) => principal.roles)).toEqual([
      ["tier-1-support"],
      ["support-agent", "agent"],
    ]);
  });

  it("is frozen to its leaves", () => {
    const [{ principal }] = checkedPrincipals(
      actors({ id: "u", roles: ["a"], attr: { deep: { list: [1] } } }),
      "context",
    );
    expect(Object.isFrozen(principal) && Object.isFrozen(principal.roles)).toBe(true);
    expect(() => ((principal.attr.deep as { list: number[] }).list[0] = 2)).toThrow(TypeError);
  });
});

describe("with agents as principals", () => {
  it("the agent is checked by itself, knows its subject, and says so in denials", () => {
    const [, checked] = checkedPrincipals(
      actors({ id: "u-1042", roles: ["tier-1-support"], attr: { region: "EU" } }),
      "principal",
    );
    expect(checked?.label).toBe("refund-bot");
    expect(checked?.principal).toMatchObject({
      id: "refund-bot",
      roles: ["support-agent", "agent"],
      attr: {
        team: "desk",
        type: "agent",
        subject: { id: "u-1042", roles: ["tier-1-support"], attr: { region: "EU" } },
        task: { id: "T-1001", ticket_id: "T-1001" },
      },
    });
  });

  it("an agent without roles has the role agent, once", () => {
    const bare = checkedPrincipals(
      actors({ id: "u", roles: ["a"] }, { agent: parseAgent({ id: "bot" }) }),
      "principal",
    );
    expect(bare[1]?.principal.roles).toEqual(["agent"]);
    const named = checkedPrincipals(
      actors({ id: "u", roles: ["a"] }, { agent: parseAgent({ id: "bot", roles: ["agent"] }) }),
      "principal",
    );
    expect(named[1]?.principal.roles).toEqual(["agent"]);
  });
});

describe("the guard's own names", () => {
  it.each(["type", "auth", "agent", "subject", "delegation", "task"])(
    "cannot be given by a caller or a claim: %s",
    (name) => {
      const forged = { [name]: { verified: true } };
      expect(() => checkedPrincipals(actors({ id: "u", roles: ["a"], attr: forged }), "context")).toThrow(
        ConfigurationError,
      );
      expect(() => checkedPrincipals(actors({ id: "u", roles: ["a"], attr: forged }), "context")).toThrow(
        `principal.attr.${name}`,
      );
      expect(() => parseAgent({ id: "bot", attr: forged })).toThrow(`agent.attr.${name}`);
    },
  );

  it("cannot be smuggled in by toJSON, which would speak for the whole of the attributes", () => {
    const attr = { toJSON: () => ({ auth: { method: "jwt", verified: true }, agent: { id: "trusted" } }) };
    expect(() => checkedPrincipals(actors({ id: "u", roles: ["a"], attr }), "context")).toThrow(
      "principal.attr.auth",
    );
    expect(() => parseAgent({ id: "bot", attr })).toThrow("agent.attr.auth");
    expect(() => parseTask({ id: "T-1", attr: { toJSON: () => ({ id: "T-2" }) } })).toThrow("task.attr.id");
  });

  it("cannot be set through a prototype", () => {
    const attr = JSON.parse('{"region":"EU","__proto__":{"task":{"id":"T-9"}}}') as Record<string, unknown>;
    const [{ principal }] = checkedPrincipals(
      actors({ id: "u", roles: ["a"], attr }, { task: undefined }),
      "context",
    );
    expect(principal.attr.task).toBeUndefined();
    expect(Object.keys(principal.attr)).not.toContain("__proto__");
  });
});

describe("roles", () => {
  it.each([["admin"], [{ 0: "admin", length: 1 }], [null], [[]], [[""]], [["admin", 7]]])(
    "are a list of names, and nothing that can be spread into one: %j",
    (roles) => {
      expect(() => checkedPrincipals(actors({ id: "u", roles }), "context")).toThrow("principal.roles");
    },
  );
});

describe("attributes that are no JSON", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  it.each([
    ["a cycle", cyclic],
    ["a bigint", { amount: 1n }],
    ["a lone surrogate", { name: "\ud800" }],
    ["a list", ["admin"]],
    ["a map", new Map([["admin", true]])],
    ["text", "admin"],
  ])("are refused by the option's name: %s", (_, attr) => {
    expect(() => checkedPrincipals(actors({ id: "u", roles: ["a"], attr }), "context")).toThrow(
      ConfigurationError,
    );
    expect(() => parseTask({ id: "T-1", attr })).toThrow(/task\.attr/);
  });
});
