import { remember } from "../core/remember";
import type { VerifiedIdentity } from "../index";
import type { KeySet, PublishedKeys } from "./key-set";

/** What was proven, and by which keys. */
export interface Verification {
  readonly identity: VerifiedIdentity & { readonly expiresAt: number };
  readonly keySet: KeySet;
  readonly keys: PublishedKeys;
}

const MAX_TOKENS = 1000;
/** A key that an issuer withdraws counts for no longer than its set is kept, and this long. */
const REMEMBERED_MS = 30_000;

/**
 * Tokens that were verified a moment ago, by the digest of the whole token: signature and all, so that no part of one can pass for another. Forgotten when
 * they expire, and when the keys that proved them are no longer what is published.
 */
export class VerifiedTokens {
  readonly #verifications = new Map<string, Verification & { readonly until: number }>();

  async find(digest: string, now: number): Promise<VerifiedIdentity | undefined> {
    const found = this.#verifications.get(digest);
    if (!found) return undefined;
    if (now < found.until && (await found.keySet.current()) === found.keys) return found.identity;
    this.#verifications.delete(digest);
    return undefined;
  }

  add(digest: string, verification: Verification, now: number): void {
    const until = Math.min(now + REMEMBERED_MS, verification.identity.expiresAt);
    remember(this.#verifications, digest, { ...verification, until }, MAX_TOKENS);
  }
}
