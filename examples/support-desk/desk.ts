import { createGuard, type AuditRecord, type Guard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp, type LocalPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider } from "../shared/local-provider";
import { scriptedModel } from "./scripted-model";
import { startServers, type SupportDeskServers } from "./servers";

export const SERVER_NAMES = ["tickets", "crm", "payments", "payroll"] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** Everything that the story plays on: a PDP, four MCP servers, a model provider, and the guard in front of them. */
export interface SupportDesk {
  readonly guard: Guard;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  readonly records: readonly AuditRecord[];
  killPdp(): Promise<void>;
  restartPdp(): Promise<void>;
  stop(): Promise<void>;
}

export interface SupportDeskOptions {
  /** The folder of the policies. */
  readonly policies: string | URL;
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
}

export async function openSupportDesk({ policies, onRecord }: SupportDeskOptions): Promise<SupportDesk> {
  const servers = await startServers();
  const provider = await startLocalProvider({ turn: scriptedModel });
  let pdp: LocalPdp = await startPdp({ policies });
  const port = Number(new URL(pdp.url).port);
  const decisions = cerbos(pdp.url);
  const records: AuditRecord[] = [];

  return {
    guard: createGuard({
      pdp: decisions,
      environment: "demo",
      audit: (record) => {
        records.push(record);
        onRecord?.(record);
      },
    }),
    servers,
    provider,
    records,
    killPdp: async () => {
      process.kill(pdp.pid, "SIGKILL");
      await pdp.stop();
    },
    restartPdp: async () => {
      pdp = await startPdp({ policies, port });
    },
    stop: async () => {
      decisions.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop()]);
    },
  };
}
