import assert from "node:assert/strict";
import { findDenial, type DenialCode, type Session } from "hopguard";
import type { Stage } from "./stage";

/** What the chapters of the story share. */
export interface Scene {
  readonly stage: Stage;
  readonly tell: (line: string) => void;
  /** Attempts that were refused so far. */
  refusals: number;
}

/** Plays an attempt that must be refused, for this reason, without a single request to a server or a model. */
export async function refused(
  scene: Scene,
  code: DenialCode,
  what: string,
  attempt: () => Promise<unknown>,
): Promise<void> {
  const { stage, tell } = scene;
  tell(`${what}:`);
  const before = stage.reached();
  const outcome = await attempt().catch((error: unknown) => error);
  const denial = findDenial(outcome);
  if (!denial) throw new Error(`${what}: this was not refused`, { cause: outcome });
  assert.equal(denial.code, code, `${what}: refused, though not for the reason that it was to be`);
  assert.equal(stage.reached(), before, `${what}: nothing was to be reached`);
  scene.refusals++;
}

/** The executor's process takes up what it was handed. All that passes between the two is the token. */
export const takeUp = ({ stage }: Scene, token: string, id = "executor"): Promise<Session> =>
  stage.executor.session({ delegation: token, agent: { id } });
