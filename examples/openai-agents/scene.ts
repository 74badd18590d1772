import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createGuard, type AuditRecord, type Guard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider } from "../shared/local-provider";
import { startServers, type SupportDeskServers } from "../support-desk/servers";
import { scriptedModel } from "./script";

/** Everything that the story plays on: a PDP with the support desk's policies and one for handoffs, its MCP servers, and a model provider. */
export interface Scene {
  readonly guard: Guard;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  readonly records: readonly AuditRecord[];
  stop(): Promise<void>;
}

export interface SceneOptions {
  /** The folder of the desk's policies. Default: the repository's. */
  readonly policies?: string;
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
}

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export async function openScene({
  policies = folder("../../policies"),
  onRecord,
}: SceneOptions = {}): Promise<Scene> {
  const all = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  await cp(policies, all, { recursive: true });
  await cp(folder("policies"), all, { recursive: true });
  const [pdp, servers, provider] = await Promise.all([
    startPdp({ policies: all }),
    startServers(),
    startLocalProvider({ turn: scriptedModel }),
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
      await rm(all, { recursive: true });
    },
  };
}
