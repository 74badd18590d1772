import { fileURLToPath } from "node:url";
import { createGuard, type AuditRecord, type Guard, type GuardOptions } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider } from "../shared/local-provider";
import { startServers, type SupportDeskServers } from "../support-desk/servers";
import { scriptedModel } from "./script";
import { openTools, type DeskTools } from "./tools";

/** Everything that the story plays on. */
export interface Stage {
  readonly guard: Guard;
  readonly provider: LocalProvider;
  readonly servers: SupportDeskServers;
  readonly deskTools: DeskTools;
  /** Calls of tools that have reached the servers. */
  toolCalls(): number;
  stop(): Promise<void>;
}

export interface StageOptions {
  /** Sees each decision as it is recorded. */
  readonly onRecord: (record: AuditRecord) => void;
  /** Makes the guard. Tests make one that lacks something, and the story must notice. Default: `createGuard`. */
  readonly makeGuard?: (options: GuardOptions) => Guard;
}

export async function openStage({ onRecord, makeGuard = createGuard }: StageOptions): Promise<Stage> {
  const pdp = await startPdp({ policies: fileURLToPath(new URL("../../policies", import.meta.url)) });
  // Long, because the machine that this runs on may be busy.
  const patience = { timeoutMs: 10_000 };
  const decisions = cerbos(pdp.url, patience);
  const [servers, provider] = await Promise.all([
    startServers(),
    startLocalProvider({ turn: scriptedModel }),
  ]);
  const deskTools = await openTools(servers);
  return {
    guard: makeGuard({ ...patience, pdp: decisions, audit: onRecord, environment: "demo" }),
    provider,
    servers,
    deskTools,
    toolCalls: () => servers.tickets.toolCalls + servers.payments.toolCalls,
    stop: async () => {
      await deskTools.close();
      decisions.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop()]);
    },
  };
}
