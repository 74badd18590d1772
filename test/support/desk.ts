import {
  createGuard,
  type AuditRecord,
  type Guard,
  type GuardOptions,
  type PolicyDecisionPoint,
  type Session,
} from "hopguard";
import { cerbos } from "hopguard/cerbos";
import {
  startLocalProvider,
  type LocalProvider,
  type LocalProviderOptions,
} from "../../examples/shared/local-provider";
import { auditRecorder } from "./audit-recorder";
import { startPdpWith, type Policy } from "./policies";
import { startTestPdp, type TestPdp } from "./test-pdp";

export interface DeskOptions {
  /** Default: the support desk's own. */
  readonly policies?: readonly Policy[];
  readonly provider?: LocalProviderOptions;
  /** Default: the chosen one. */
  readonly on?: TestPdp;
}

export interface SessionChoice {
  /** Whose session it is; default, the role's name with an `-id`. */
  readonly id?: string;
  /** Another PDP than the desk's: one that is down, or lies. */
  readonly pdp?: PolicyDecisionPoint;
  readonly guard?: Partial<GuardOptions>;
}

/** A real PDP, a model provider, and a second server that nothing may ever reach. */
export interface Desk {
  readonly provider: LocalProvider;
  /** Where redirects and absolute URLs lead. Every test may assert that it stayed idle. */
  readonly elsewhere: LocalProvider;
  readonly pdpUrl: string;
  /** The audit records since the last reset. */
  readonly records: readonly AuditRecord[];
  /** The guard of the sessions that choose nothing else. */
  readonly guard: Guard;
  /** Another guard at the same PDP, with the same records. */
  guardWith(options: Partial<GuardOptions>): Guard;
  session(role: string, choice?: SessionChoice): Promise<Session>;
  /** Forgets requests and records. */
  reset(): void;
  close(): Promise<void>;
}

/** Long, because a test machine may be busy; the tests of deadlines set their own. */
const PATIENCE_MS = 10_000;

export async function openDesk({ policies, provider: behaviour, on }: DeskOptions = {}): Promise<Desk> {
  const [pdp, provider, elsewhere] = await Promise.all([
    policies ? startPdpWith(policies, { on }) : startTestPdp({ policies: "policies" }, on),
    startLocalProvider(behaviour),
    startLocalProvider(),
  ]);
  const audit = auditRecorder();
  let forgotten = 0;
  const decider = cerbos(pdp.url, { timeoutMs: PATIENCE_MS });
  const guardWith = (options: Partial<GuardOptions>): Guard =>
    // The tests of a file share sessions, and make the same denied call again and again.
    createGuard({ pdp: decider, audit, timeoutMs: PATIENCE_MS, repeats: false, ...options });
  const guard = guardWith({});
  return {
    provider,
    elsewhere,
    pdpUrl: pdp.url,
    get records() {
      return audit.records.slice(forgotten);
    },
    guard,
    guardWith,
    session: (role, { id = `${role}-id`, pdp, guard: options } = {}) =>
      (pdp || options ? guardWith({ ...(pdp && { pdp }), ...options }) : guard).session({
        principal: { id, roles: [role] },
        agent: { id: "test-agent" },
        task: { id: "T-1001", attr: { ticket_id: "T-1001" } },
      }),
    reset: () => {
      provider.reset();
      elsewhere.reset();
      forgotten = audit.records.length;
    },
    close: async () => {
      decider.close();
      await Promise.all([pdp.stop(), provider.stop(), elsewhere.stop()]);
    },
  };
}
