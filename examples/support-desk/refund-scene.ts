import { fileURLToPath } from "node:url";
import { createGuard, type AuditRecord, type Guard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider, type LocalProviderOptions } from "../shared/local-provider";
import { playScripts } from "../shared/play-scripts";
import { REFUND_SCRIPTS } from "./refund-scripts";
import { startServers, type SupportDeskServers } from "./servers";

/**
 * Everything that the desk's refunds are played on, whatever framework the agents are of: a PDP with the desk's policies, its MCP servers, and a
 * model provider.
 */
export interface RefundScene {
  readonly guard: Guard;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  readonly records: readonly AuditRecord[];
  stop(): Promise<void>;
}

export interface RefundSceneOptions {
  /** The folder of the policies. Default: the repository's. */
  readonly policies?: string;
  /** Plays the model. Default: by `REFUND_SCRIPTS`. */
  readonly turn?: NonNullable<LocalProviderOptions["turn"]>;
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
}

/** The folder of the desk's policies. */
export const POLICIES = fileURLToPath(new URL("../../policies", import.meta.url));

export async function openRefundScene({
  policies = POLICIES,
  turn = playScripts(REFUND_SCRIPTS),
  onRecord,
}: RefundSceneOptions = {}): Promise<RefundScene> {
  const [pdp, servers, provider] = await Promise.all([
    startPdp({ policies }),
    startServers(),
    startLocalProvider({ turn }),
  ]);
  const decisions = cerbos(pdp.url);
  const records: AuditRecord[] = [];
  const audit = (record: AuditRecord): void => {
    records.push(record);
    onRecord?.(record);
  };
  return {
    guard: createGuard({ pdp: decisions, audit, environment: "demo" }),
    servers,
    provider,
    records,
    stop: async () => {
      decisions.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop()]);
    },
  };
}
