import { fileURLToPath } from "node:url";
import { createGuard, type AuditRecord, type Guard } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { startLocalProvider, type LocalProvider } from "../shared/local-provider";
import { startServers, type SupportDeskServers } from "../support-desk/servers";
import { scriptedModel } from "./script";

/** Everything that the story plays on: a PDP with the support desk's policies, its MCP servers, and a model provider. */
export interface Scene {
  readonly guard: Guard;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  stop(): Promise<void>;
}

export interface SceneOptions {
  /** The folder of the policies. Default: the repository's. */
  readonly policies?: string;
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
}

const POLICIES = fileURLToPath(new URL("../../policies", import.meta.url));

export async function openScene({ policies = POLICIES, onRecord }: SceneOptions = {}): Promise<Scene> {
  const [pdp, servers, provider] = await Promise.all([
    startPdp({ policies }),
    startServers(),
    startLocalProvider({ turn: scriptedModel }),
  ]);
  const decisions = cerbos(pdp.url);
  const audit = (record: AuditRecord): void => onRecord?.(record);
  return {
    guard: createGuard({ pdp: decisions, audit, environment: "demo" }),
    servers,
    provider,
    stop: async () => {
      decisions.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop()]);
    },
  };
}
