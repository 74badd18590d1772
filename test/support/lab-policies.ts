import type { Policy, Rule } from "./policies";

/** The models that an analyst may use, in every way that a rule names. Every other model is denied. */
export const analystModels: readonly string[] = [
  "gpt-4o-mini",
  "gpt-4o-mini-transcribe",
  "gpt-image-1",
  "text-embedding-3-small",
  "omni-moderation-latest",
  "claude-haiku-5-5",
  "files",
];

const allow = (actions: readonly string[], expr?: string): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles: ["analyst"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
});

/** More than a desk would allow, so that what is denied is denied for the reason that a test is about. */
export const labPolicies: readonly Policy[] = [
  {
    kind: "llm_model",
    rules: [
      allow(
        [
          ...["list", "completion", "count_tokens", "batch", "embedding", "moderation", "image", "audio"],
          ...["files", "hosted_tools/mcp", "hosted_tools/mcp_toolset", "hosted_tools/image_generation"],
          ...[
            "hosted_tools/advisor_20260301",
            "hosted_tools/web_search",
            "hosted_tools/namespace",
            "realtime",
          ],
        ],
        `R.id in ${JSON.stringify(analystModels)}`,
      ),
      allow(["hosted_tools/skill"], `R.attr.declaration.skill_id == "xlsx"`),
    ],
  },
  {
    kind: "mcp_crm",
    rules: [
      allow(["initialize", "tools/call/customer_get", "tools/call/constructor", "tools/call/__proto__"]),
      allow(["tools/call/credit"], "R.attr.arguments.amount_cents <= 5000.0"),
    ],
  },
  { kind: "mcp_payroll", rules: [{ ...allow(["*"]), roles: ["payroll-admin"] }] },
  {
    kind: "tool_desk",
    rules: [
      allow(["tools/call/note", "tools/call/constructor", "tools/call/toString", "tools/call/__proto__"]),
      allow(["tools/call/refund"], "R.attr.arguments.amount_cents <= 5000.0"),
    ],
  },
];
