import assert from "node:assert/strict";
import type { JsonObject } from "hopguard";
import { claimsOf, newSigningKey, signedBy, unsigned, widened } from "../keys";
import { refused, takeUp, type Scene } from "../scene";
import { AUDITOR, ONE_REFUND } from "../work";
import type { Chain } from "./onward";
import type { Work } from "./work";

/** Tokens that nobody has handed over. */
export async function tryTokens(scene: Scene, { token }: Work, chain: Chain): Promise<void> {
  const thief = await newSigningKey("desk-1");
  const expiresAt = (claimsOf(token).exp as number) * 1000;
  const signed = (delegation: unknown, audience: string): Promise<string> =>
    scene.stage.tokens.sign(delegation as JsonObject, { audience, expiresAt });

  // The chain to the executor, which may look at one payment, with a link below it that may refund. The signature is good.
  const { delegation } = claimsOf(chain.token) as {
    readonly delegation: { readonly links: readonly object[] };
  };
  const below = { id: crypto.randomUUID(), agent: { ...AUDITOR, attr: {} }, grant: ONE_REFUND };
  const widening = { ...delegation, links: [...delegation.links, { ...delegation.links[0], ...below }] };

  const cases: readonly (readonly [what: string, forged: string, detail: string, taker?: string])[] = [
    ["with its limits raised", widened(token), "signature verification failed"],
    ["without its signature", unsigned(token), "no signed JWT"],
    ["signed by somebody else", await signedBy(token, thief), "signature verification failed"],
    [
      "addressed to another agent",
      await signed(claimsOf(token).delegation, "auditor"),
      "for auditor, and the delegation for executor",
    ],
    [
      "of a chain that does not narrow",
      await signed(widening, "auditor"),
      "refund_issue was not granted",
      "auditor",
    ],
    [
      "that the executor was given, brought by the auditor",
      token,
      "for executor, and not for auditor",
      "auditor",
    ],
  ];
  for (const [what, forged, detail, taker] of cases) {
    await refused(scene, "delegation_invalid", `a token ${what}`, () => takeUp(scene, forged, taker));
    // The record says why; whoever came with the token is not told.
    assert.match(scene.stage.records.at(-1)?.detail ?? "", new RegExp(detail));
  }
}
