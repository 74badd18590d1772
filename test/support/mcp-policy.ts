import type { Policy } from "./policies";

const allow = (actions: readonly string[], expr?: string) => ({
  actions,
  effect: "EFFECT_ALLOW" as const,
  roles: ["user"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
});

/** What a user may do on the server `lab`. Not a word of `forbidden`, of sampling and of roots. */
export const LAB_POLICY: Policy = {
  kind: "mcp_lab",
  rules: [
    allow(["initialize", "tools/list", "prompts/list", "resources/list", "resources/templates/list"]),
    allow(["tasks/list", "tasks/get", "tasks/result", "subscriptions/listen"]),
    allow(["tools/call/echo", "tools/call/constructor", "tools/call/ask", "tools/call/slow"]),
    allow(["tools/call/spend"], "R.attr.arguments.amount <= 10"),
    allow(["tools/call/tidy"], 'R.attr.effect == "write"'),
    allow(["prompts/get/greeting"]),
    allow(["resources/read", "resources/subscribe"], 'R.attr.uri.startsWith("doc://public/")'),
    allow(["completion/complete"], 'R.attr.prompt == "greeting"'),
    allow(["elicitation/create"], 'R.attr.mode == "form"'),
  ],
};
