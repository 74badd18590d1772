import type { Policy, Rule } from "./policies";

const allow = (actions: readonly string[], more: Partial<Rule> = {}): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles: ["analyst"],
  ...more,
});
const deny = (actions: readonly string[], reason: string): Rule => ({
  actions,
  effect: "EFFECT_DENY",
  roles: ["*"],
  output: { when: { ruleActivated: JSON.stringify({ reason }) } },
});

const capped = allow(["tools/call/refund"], {
  condition: {
    match: {
      expr: "R.attr.arguments.amount_cents <= 5000 || (has(R.attr.facts) && has(R.attr.facts.approval) && R.attr.facts.approval.granted == true)",
    },
  },
  output: {
    when: {
      conditionNotMet: JSON.stringify({
        reason: "refund cap exceeded",
        remediation: { type: "step_up", approvers_role: "lead" },
      }),
    },
  },
});

/** For agents of a framework: a model, tools with a cap and without, a server, and agents that work may be handed to or not. */
export const agentPolicies: readonly Policy[] = [
  {
    kind: "llm_model",
    rules: [
      allow(["completion", "hosted_tools/code_interpreter"], {
        condition: { match: { expr: `R.id == "gpt-4o-mini"` } },
      }),
    ],
  },
  {
    kind: "tool_desk",
    rules: [
      allow(["tools/call/lookup", "tools/call/constructor"]),
      deny(["tools/call/erase"], "nothing is erased here"),
      capped,
    ],
  },
  {
    kind: "mcp_lab",
    rules: [
      allow(["initialize", "tools/list", "tools/call/lookup", "tools/call/read.one"]),
      deny(["tools/call/erase"], "nothing is erased here"),
      capped,
    ],
  },
  { kind: "mcp_closed", rules: [deny(["initialize"], "closed for everybody")] },
  { kind: "a2a_billing", rules: [allow(["delegate"])] },
  { kind: "a2a_clerk", rules: [allow(["delegate"])] },
  { kind: "a2a_test_agent", rules: [allow(["delegate"])] },
  { kind: "a2a_auditor", rules: [deny(["delegate"], "audits are for auditors")] },
];
