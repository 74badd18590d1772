import { fileURLToPath } from "node:url";
import {
  createGuard,
  memoryState,
  type AuditRecord,
  type DelegationTokens,
  type Guard,
  type GuardOptions,
} from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { delegationTokens } from "hopguard/identity";
import { startPdp } from "hopguard/pdp";
import {
  startLocalProvider,
  type LocalProvider,
  type Turn,
  type TurnRequest,
} from "../shared/local-provider";
import { startServers, type SupportDeskServers } from "../support-desk/servers";
import { newSigningKey } from "./keys";
import { REFUND } from "./work";

/** Everything that the story plays on. The planner and the executor have a guard each, as in two processes. */
export interface Stage {
  readonly planner: Guard;
  readonly executor: Guard;
  /** What the planner's guard signs with. The executor's has the public key, and proves. */
  readonly tokens: DelegationTokens;
  readonly servers: SupportDeskServers;
  readonly provider: LocalProvider;
  readonly records: readonly AuditRecord[];
  /** Every client that was opened here, to be closed with it. */
  readonly clients: { close(): Promise<void> }[];
  /** How many messages have reached the servers, and requests the model provider. */
  reached(): number;
  /** Lets time pass for both guards. */
  wait(seconds: number): void;
  stop(): Promise<void>;
}

export interface StageOptions {
  /** Sees each decision as it is recorded. */
  readonly onRecord?: (record: AuditRecord) => void;
  /** Makes the executor's guard. Tests make one that lacks something, and the story must notice. Default: `createGuard`. */
  readonly executorGuard?: (options: GuardOptions) => Guard;
}

export async function openStage({
  onRecord,
  executorGuard = createGuard,
}: StageOptions = {}): Promise<Stage> {
  const key = await newSigningKey("desk-1");
  const pdp = await startPdp({ policies: fileURLToPath(new URL("policies", import.meta.url)) });
  // Long, because the machine that this runs on may be busy.
  const patience = { timeoutMs: 10_000 };
  const decisions = cerbos(pdp.url, patience);
  const servers = await startServers();
  const provider = await startLocalProvider({ turn: executorsModel });
  const clients: Stage["clients"] = [];
  const records: AuditRecord[] = [];
  let ahead = 0;
  const clock = (): Date => new Date(Date.now() + ahead);

  const shared: GuardOptions = {
    ...patience,
    pdp: decisions,
    // Every agent of a chain is checked by its own role too, and not the user alone.
    agents: "principal",
    // Between two processes it is Redis that they share.
    state: memoryState(),
    clock,
    audit: (record) => {
      records.push(record);
      onRecord?.(record);
    },
  };
  const proof = { issuer: "https://agents.desk.example", keys: { keys: [key.publicJwk] }, clock };
  const tokens = delegationTokens({ ...proof, sign: { key: key.privateJwk, algorithm: "ES256" } });

  return {
    planner: createGuard({ ...shared, delegation: { tokens } }),
    executor: executorGuard({
      ...shared,
      delegation: { tokens: delegationTokens({ ...proof, algorithms: ["ES256"] }) },
    }),
    tokens,
    servers,
    provider,
    records,
    clients,
    reached: () =>
      [servers.tickets, servers.crm, servers.payments, servers.payroll].reduce(
        (sum, server) => sum + server.requests.length,
        provider.requests.length,
      ),
    wait: (seconds) => {
      ahead += seconds * 1000;
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      decisions.close();
      await Promise.all([pdp.stop(), servers.stop(), provider.stop()]);
    },
  };
}

/** Plays the executor's model, which does as it was told while it has the tool for it. */
function executorsModel({ tools }: TurnRequest): Turn {
  return tools.includes("refund_issue")
    ? { toolCalls: [{ name: "refund_issue", arguments: REFUND }] }
    : { text: "I have no tool for that." };
}
