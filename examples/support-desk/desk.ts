import { createGuard, memoryState, type AuditRecord, type Guard, type StateStore } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp, type LocalPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider } from "../shared/local-provider";
import { mountKillSwitch, type KillSwitch } from "./kill-switch";
import { scriptedModel } from "./scripted-model";
import { startServers, type SupportDeskServers } from "./servers";

export const SERVER_NAMES = ["tickets", "crm", "payments", "payroll"] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** Everything that the story plays on: a PDP, four MCP servers, a model provider, and the guard in front of them. */
export interface SupportDesk {
  readonly guard: Guard;
  /** The same, which also counts what model calls use up, under the pack `budgets` of the policies. */
  readonly budgetGuard: Guard;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  readonly records: readonly AuditRecord[];
  readonly hopguard: KillSwitch["hopguard"];
  killPdp(): Promise<void>;
  restartPdp(): Promise<void>;
  stop(): Promise<void>;
}

export interface SupportDeskOptions {
  /** The folder of the policies. */
  readonly policies: string | URL;
  /** What has been revoked and used up. Default: in memory. */
  readonly state?: StateStore;
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
}

export async function openSupportDesk({
  policies,
  state = memoryState(),
  onRecord,
}: SupportDeskOptions): Promise<SupportDesk> {
  const servers = await startServers();
  const provider = await startLocalProvider({ turn: scriptedModel });
  let pdp: LocalPdp = await startPdp({ policies });
  const port = Number(new URL(pdp.url).port);
  const decisions = cerbos(pdp.url);
  const budgets = cerbos(pdp.url, { policyVersion: "budgets" });
  const records: AuditRecord[] = [];
  const common = {
    environment: "demo",
    state,
    audit: (record: AuditRecord) => {
      records.push(record);
      onRecord?.(record);
    },
  };
  const guard = createGuard({ ...common, pdp: decisions });
  const killSwitch = await mountKillSwitch(guard);

  return {
    guard,
    budgetGuard: createGuard({
      ...common,
      pdp: budgets,
      usage: {},
      modelFacts: [{ model: "gpt-4o-mini", price: { input: 0.15, output: 0.6 } }],
    }),
    servers,
    provider,
    records,
    hopguard: killSwitch.hopguard,
    killPdp: async () => {
      process.kill(pdp.pid, "SIGKILL");
      await pdp.stop();
    },
    restartPdp: async () => {
      pdp = await startPdp({ policies, port });
    },
    stop: async () => {
      decisions.close();
      budgets.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop(), killSwitch.stop()]);
    },
  };
}
