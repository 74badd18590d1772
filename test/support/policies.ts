import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalPdp } from "hopguard/pdp";
import { startTestPdp, type TestPdp } from "./test-pdp";

/** A rule as Cerbos reads it. */
export interface Rule {
  readonly actions: readonly string[];
  readonly effect: "EFFECT_ALLOW" | "EFFECT_DENY";
  readonly roles: readonly string[];
  readonly condition?: { readonly match: { readonly expr: string } };
  readonly output?: { readonly when: { readonly ruleActivated?: string; readonly conditionNotMet?: string } };
}

/** The policy of one kind. */
export interface Policy {
  readonly kind: string;
  readonly rules: readonly Rule[];
}

/** Starts a PDP with policies that a test writes itself. Their folder goes when the PDP stops. */
export async function startPdpWith(
  policies: readonly Policy[],
  { on, port }: { readonly on?: TestPdp | undefined; readonly port?: number } = {},
): Promise<LocalPdp> {
  const folder = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await Promise.all(
      policies.map(({ kind, rules }) =>
        writeFile(
          join(folder, `${kind}.json`),
          JSON.stringify({
            apiVersion: "api.cerbos.dev/v1",
            resourcePolicy: { resource: kind, version: "default", rules },
          }),
        ),
      ),
    );
    const pdp = await startTestPdp({ policies: folder, ...(port !== undefined && { port }) }, on);
    const stop = () => pdp.stop().then(remove);
    return { ...pdp, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await remove();
    throw error;
  }
}
