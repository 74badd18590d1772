import assert from "node:assert/strict";
import { findDenial, type Denial, type DenialCode } from "hopguard";
import type { Stage } from "./stage";

/** What the chapters of the story share. */
export interface Scene {
  readonly stage: Stage;
  readonly tell: (line: string) => void;
  /** Attempts that were refused so far. */
  refusals: number;
}

/** What a caller has got, by an SDK's error or by a response. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body, or what the SDK made of it. */
  readonly body: unknown;
}

/** How an attempt is to be refused. */
export interface Refusal {
  readonly status: number;
  readonly code?: DenialCode;
}

/** Plays an attempt that must be refused like this, and reach neither a provider nor the payments. */
export async function refused(
  scene: Scene,
  what: string,
  { status, code }: Refusal,
  attempt: () => Promise<Answer>,
): Promise<Answer & { readonly denial: Denial | undefined }> {
  const { stage, tell } = scene;
  tell(`${what}:`);
  const before = reached(stage);
  const answer = await attempt();
  const denial = findDenial(answer.body);
  assert.equal(answer.status, status, `${what}: this was not refused with ${status}`);
  if (code !== undefined)
    assert.equal(denial?.code, code, `${what}: refused, though not for the reason that it was to be`);
  assert.deepEqual(reached(stage), before, `${what}: nothing was to be reached`);
  const { type = "", ...details } = denial?.remediation ?? {};
  const remedy = type && ` (${type}: ${Object.values(details).map(String).join(", ")})`;
  tell(`→ ${status} ${denial?.reason ?? JSON.stringify(answer.body)}${remedy}`);
  scene.refusals++;
  return { ...answer, denial };
}

/** How many requests the provider has seen, and how much money has moved. */
export function reached({ provider, payments }: Stage): readonly [requests: number, cents: number] {
  const cents = [...payments.values()].reduce((sum, { refunded_cents }) => sum + refunded_cents, 0);
  return [provider.requests.length, cents];
}
