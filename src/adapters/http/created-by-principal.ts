import { remember } from "../../core/remember";
import type { Session } from "../../index";
import { CreatedResources } from "../shared/model-api/created-resources";

const MAX_PRINCIPALS = 1_000;
/** Of each kind and each principal: what all of them create together must fit into the memory. */
const OF_A_PRINCIPAL = { calls: 100, hops: 10_000 };

/**
 * What each principal has created at the provider: an id that one of them has read somewhere is nobody's but its creator's. Whoever has asked for nothing for the
 * longest time is forgotten first.
 */
export class CreatedByPrincipal {
  readonly #created = new Map<string, CreatedResources>();

  of({ principal, auth }: Session): CreatedResources {
    // Two issuers may call different people the same.
    const key = JSON.stringify([auth.method, auth.issuer ?? null, principal.id]);
    const created = this.#created.get(key) ?? new CreatedResources(OF_A_PRINCIPAL);
    remember(this.#created, key, created, MAX_PRINCIPALS);
    return created;
  }
}
