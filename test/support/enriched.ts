import { createGuard, type AttributeProvider, type Hop, type JsonValue } from "hopguard";
import { stubPdp } from "hopguard/testing";
import { auditRecorder } from "./audit-recorder";

/** What came of one call: what the policy was told, or why nobody was asked. */
export interface Enriched {
  readonly code: string;
  /** `R.attr.facts`, of what the PDP was asked. */
  readonly facts: JsonValue | undefined;
  /** `P.attr`. */
  readonly attr: JsonValue | undefined;
  /** What the audit record says of a failure. */
  readonly detail: string | undefined;
}

/** Makes one call with one provider, of a project whose id the model has chosen, and looks what the PDP is told. */
export async function enriched(
  provider: AttributeProvider,
  project_id?: unknown,
  principal = "u-1",
): Promise<Enriched> {
  const pdp = stubPdp({ rules: [() => true] });
  const audit = auditRecorder();
  const guard = createGuard({ pdp, audit, enrich: [provider], timeoutMs: 5000 });
  const session = await guard.session({
    principal: { id: principal, roles: ["engineer"] },
    agent: { id: "bot" },
  });
  const hop: Hop = {
    kind: "mcp_projects",
    action: "tools/call/project_update",
    attr: { arguments: project_id === undefined ? {} : { project_id } },
  };
  const decision = await session.check(hop);
  const [query] = pdp.queries;
  return {
    code: decision.effect === "allow" ? "allow" : decision.denial.code,
    facts: query?.resource.attr.facts,
    attr: query?.principal.attr,
    detail: audit.records[0]?.detail,
  };
}
