import { canonicalJson } from "./digest";
import type { AddedAttributes } from "./enrichment";
import { isJsonObject, snapshot, type JsonObject } from "./json";
import type { CheckedPrincipal } from "./principal";

type Checked = readonly [CheckedPrincipal, ...CheckedPrincipal[]];

/** Adds what providers have found out to the principals, and answers with the same objects while they find out the same. */
export class EnrichedPrincipals {
  #last: { readonly checked: Checked; readonly key: string; readonly enriched: Checked } | undefined;

  of(checked: Checked, added: AddedAttributes | undefined): Checked {
    const isNothing = !added || Object.values(added).every((members) => Object.keys(members).length === 0);
    if (isNothing) return checked;
    const key = canonicalJson(added);
    if (this.#last?.checked !== checked || this.#last.key !== key) {
      const [subject, ...agents] = checked;
      const enriched: Checked = [
        enrichedSubject(subject, added),
        ...agents.map((agent) => enrichedAgent(agent, added)),
      ];
      this.#last = { checked, key, enriched };
    }
    return this.#last.enriched;
  }
}

function enrichedSubject({ label, principal }: CheckedPrincipal, added: AddedAttributes): CheckedPrincipal {
  return withAttributes(label, principal, {
    ...principal.attr,
    ...added.principal,
    ...shared(principal.attr, added),
  });
}

function enrichedAgent({ label, principal }: CheckedPrincipal, added: AddedAttributes): CheckedPrincipal {
  const subject = object(principal.attr.subject);
  const isActing = object(principal.attr.agent).id === principal.id;
  return withAttributes(label, principal, {
    ...principal.attr,
    ...(isActing && added.agent),
    ...shared(principal.attr, added),
    subject: { ...subject, attr: { ...object(subject.attr), ...added.principal } },
  });
}

/** What stands on every principal: the acting agent and the task. */
function shared({ agent, task }: JsonObject, added: AddedAttributes): JsonObject {
  const acting = object(agent);
  return {
    agent: { ...acting, attr: { ...object(acting.attr), ...added.agent } },
    ...(task !== undefined && { task: { ...object(task), ...added.task } }),
  };
}

function withAttributes(
  label: string,
  principal: CheckedPrincipal["principal"],
  attr: JsonObject,
): CheckedPrincipal {
  return Object.freeze({
    label,
    principal: snapshot({ ...principal, attr }) as JsonObject & CheckedPrincipal["principal"],
  });
}

function object(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
