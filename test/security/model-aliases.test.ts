import { createGuard, type Session } from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { guardFetch } from "hopguard/fetch";
import type { LocalPdp } from "hopguard/pdp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { startPdpWith } from "../support/policies";

/** Which ids each role may use: the name as requested, what it stands for, or both. */
const models = [
  { role: "both", ids: ["team-fast", "gpt-4o-mini"] },
  { role: "alias", ids: ["team-fast"] },
  { role: "target", ids: ["gpt-4o-mini"] },
];

let local: LocalPdp;
let pdp: CerbosPdp;

beforeAll(async () => {
  local = await startPdpWith([
    {
      kind: "llm_model",
      rules: models.map(({ role, ids }) => ({
        actions: ["completion", "list"],
        roles: [role],
        effect: "EFFECT_ALLOW" as const,
        condition: { match: { expr: `R.id in ${JSON.stringify(ids)}` } },
      })),
    },
  ]);
  pdp = cerbos(local.url);
});
afterAll(() => local.stop());

async function attempt(role: string, model: string) {
  const audit = auditRecorder();
  const session: Session = await createGuard({ pdp, audit, models: { "team-fast": "gpt-4o-mini" } }).session({
    principal: { id: "u-1", roles: [role] },
    agent: { id: "bot" },
  });
  const sent: string[] = [];
  const upstream = (_url: unknown, init: RequestInit | undefined) => {
    sent.push(init?.body as string);
    return Promise.resolve(Response.json({ choices: [] }));
  };
  const send = guardFetch(session, { baseURL: "https://gateway.example/v1", fetch: upstream });
  const response = await send("https://gateway.example/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [] }),
  });
  return { status: response.status, sent, records: audit.records, session };
}

describe("an alias of a model", () => {
  it("passes when it and what it stands for are allowed, and goes out under its own name", async () => {
    const { status, sent, records } = await attempt("both", "team-fast");
    expect(status).toBe(200);
    expect(sent).toEqual([JSON.stringify({ model: "team-fast", messages: [] })]);
    expect(records.at(-1)?.hop).toEqual({
      kind: "llm_model",
      name: "team-fast",
      canonical: "gpt-4o-mini",
      action: "completion",
    });
  });

  it.each(["alias", "target"])("is denied to whom only the %s is allowed", async (role) => {
    const { status, sent, records } = await attempt(role, "team-fast");
    expect(status).toBe(403);
    expect(sent).toEqual([]);
    expect(records.at(-1)).toMatchObject({
      effect: "deny",
      code: "policy_denied",
      hop: { name: "team-fast" },
    });
  });

  it("is shown in a list only to whom both are allowed", async () => {
    const shown = async (role: string) => {
      const { session } = await attempt(role, "team-fast");
      return (await session.capabilities({ models: ["team-fast", "gpt-4o-mini"] })).models;
    };
    expect(await shown("both")).toEqual({ "team-fast": "always", "gpt-4o-mini": "always" });
    expect(await shown("alias")).toEqual({ "team-fast": "never", "gpt-4o-mini": "never" });
    expect(await shown("target")).toEqual({ "team-fast": "never", "gpt-4o-mini": "always" });
  });

  it("changes nothing for what is not listed: another case is another model", async () => {
    expect((await attempt("both", "Team-Fast")).sent).toEqual([]);
    expect((await attempt("target", "gpt-4o-mini")).status).toBe(200);
  });
});
