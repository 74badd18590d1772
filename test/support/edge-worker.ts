import { createGuard, type PolicyDecisionPoint } from "hopguard";
import { guardFetch } from "hopguard/fetch";
import { assertionVerifier, type AssertionVerifierOptions, type ExpectedHop } from "hopguard/identity";

/** A PDP of the application's own, as on the edge: it knows one model, and has nothing to connect to. */
const approvedModels: PolicyDecisionPoint = {
  check: ({ resource, actions }) =>
    Promise.resolve({
      effects: new Map(
        actions.map((action) => [action, resource.id === "gpt-4o-mini" ? "allow" : "deny"] as const),
      ),
      matchedPolicies: new Map(),
      outputs: [],
      validationErrors: [],
    }),
  plan: () => Promise.resolve("never"),
};

/** An edge function: calls a model through a guard with every default, the audit sink's too. */
export async function complete(baseURL: string, model: string): Promise<{ status: number; body: unknown }> {
  const session = await createGuard({ pdp: approvedModels }).session({
    principal: { id: "u-1042", roles: ["tier-1-support"] },
    agent: { id: "edge-bot" },
  });
  const guarded = guardFetch(session, { baseURL });
  const response = await guarded(`${baseURL}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "One and one?" }] }),
  });
  return { status: response.status, body: await response.json() };
}

/** A service behind guarded calls, on the edge: what it makes of an assertion. */
export async function checkAgain(
  assertion: string,
  keys: AssertionVerifierOptions["keys"],
  expected: ExpectedHop,
): Promise<string> {
  const verifier = assertionVerifier({
    issuer: "https://agents.example",
    audience: "https://edge.example",
    keys,
  });
  try {
    return (await verifier.verify(assertion, expected)).subject;
  } catch (error) {
    return String(error);
  }
}
