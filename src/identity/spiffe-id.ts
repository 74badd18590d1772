/** By which a whole name is matched: no user, port, query, fragment or escape has a place in it. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SPIFFE_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;
const MAX_LENGTH = 2048;

export const isTrustDomain = (name: string): boolean => TRUST_DOMAIN.test(name);

/**
 * The trust domain of a workload's SPIFFE id; `undefined` for what is none. An id without a path is that of the trust domain itself, and no workload's.
 *
 * @see The SPIFFE Identity and Verifiable Identity Document, section 2
 */
export function trustDomainOf(id: string): string | undefined {
  if (id.length > MAX_LENGTH) return undefined;
  const [, trustDomain, path = ""] = SPIFFE_ID.exec(id) ?? [];
  return path.split("/").some((segment) => segment === "." || segment === "..") ? undefined : trustDomain;
}
