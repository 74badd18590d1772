import { createGuard, type DegradedHop, type Guard, type IdentityVerifier, type Session } from "hopguard";
import type { CerbosPdp } from "hopguard/cerbos";
import { circumstancesOf } from "./circumstance-kinds";
import type { Circumstances } from "./circumstances";
import type { Coverage, Outcome } from "./coverage";
import { Ledger } from "./ledger";
import { Obstacles } from "./obstacles";
import { isSilenceToClient, overClient, type PdpServer } from "./pdp-endpoints";
import { ScriptedPdp, type Withdrawal } from "./scripted-pdp";
import { stateOf } from "./state";

/** One who acts, and the session that stands for it. */
export interface Actor {
  readonly session: Session;
  readonly principal: { readonly id: string; readonly roles: readonly string[] };
  readonly agent: { readonly id: string; readonly roles: readonly string[] };
  readonly task: string;
}

export const POLICY_VERSION = "fuzz";
export const DEMOTED = ["demoted"];
/** What names of models stand for, in every run. */
export const ALIASES = { "team-fast": "gpt-4o-mini", "claude-team": "claude-haiku" };
/** What passes while the PDP is silent, in some runs: of the kinds that are asked for some, and not all of every kind. */
export const ADMITTED: readonly DegradedHop[] = [
  { kind: "llm_model", actions: ["completion"] },
  { kind: "tool_desk", actions: ["tools/call/search", "tools/call/run"] },
  { kind: "mcp_payments", actions: ["initialize", "tools/list", "tools/call/search"] },
  { kind: "document" },
];
/** What a call without any limit reserves. */
export const ASSUMED_OUTPUT_TOKENS = 4096;
/** Silence is late after this, for the guard and over the scripted client. */
const TIMEOUT_MS = 25;
const HTTP_TIMEOUT_MS = 100;
/** Where silence may let a hop pass, a machine that is slow must not look like silence. */
const OUTAGE_TIMEOUT_MS = 10_000;

/** A guard with two sessions, everything that may go wrong around it, and what the oracle knows of that. */
export class World {
  readonly ledger = new Ledger();
  readonly obstacles: Obstacles;
  readonly #actors: Actor[] = [];
  readonly #pdp: CerbosPdp;
  #guard: Guard | undefined;

  private constructor(
    readonly circumstances: Circumstances,
    readonly coverage: Coverage,
    server: PdpServer,
  ) {
    const { outage, overHttp } = circumstances;
    this.obstacles = new Obstacles(circumstances);
    const withdraw = (withdrawal: Withdrawal): Promise<void> => this.#withdraw(withdrawal, "meanwhile");
    // Over HTTP nothing is admitted without an answer, so that nobody has to know what is silence there.
    const isSilence = overHttp ? () => false : isSilenceToClient;
    const scripted = new ScriptedPdp(circumstances, this.ledger, withdraw, isSilence);
    const options = {
      policyVersion: POLICY_VERSION,
      scope: ({ id }: { readonly id: string }) => scopeOf(id),
      timeoutMs: outage ? OUTAGE_TIMEOUT_MS : overHttp ? HTTP_TIMEOUT_MS : TIMEOUT_MS,
    };
    this.#pdp = overHttp ? server.over(scripted, options) : overClient(scripted, options);
  }

  static async open(circumstances: Circumstances, server: PdpServer, coverage: Coverage): Promise<World> {
    const world = new World(circumstances, coverage, server);
    const { budget, environment, outage, tasks, twins, withdrawn } = circumstances;
    const tokens = new Map<string, () => ReturnType<IdentityVerifier["verify"]>>();
    const guard = (world.#guard = createGuard({
      pdp: world.#pdp,
      agents: circumstances.agents,
      denials: circumstances.denials,
      models: ALIASES,
      visibilityTtlMs: circumstances.visibilityTtlMs,
      timeoutMs: TIMEOUT_MS,
      guardrails: [world.obstacles.guardrail()],
      enrich: world.obstacles.enrichment(),
      classifiers: [world.obstacles.classifier()],
      audit: world.obstacles.audit(world.ledger),
      state: stateOf(circumstances, world.ledger),
      identity: { verify: (token) => tokens.get(token)?.() ?? Promise.reject(new Error("unknown token")) },
      tasks: tasks === "asserted" ? "asserted" : "registered",
      ...(budget && { usage: { assumedOutputTokens: ASSUMED_OUTPUT_TOKENS } }),
      ...(outage && { degraded: { allow: ADMITTED } }),
      ...(environment !== undefined && { environment }),
    }));
    for (const of of [0, 1] as const) {
      const task = twins ? "T" : `T-${of}`;
      const principal = {
        id: twins ? "twin" : (["alice", "bob"][of] ?? ""),
        roles: [["clerk"], ["lead", "clerk"]][of] ?? [],
      };
      const agent = { id: `bot_${twins ? "" : of}`, roles: [["helper"], []][of] ?? [] };
      tokens.set(`token-${of}`, world.#proof(principal));
      if (tasks === "registered") await guard.registerTask(task);
      const session = await guard.session({
        agent,
        task: { id: task },
        ...(circumstances.identity ? { token: `token-${of}` } : { principal }),
      });
      world.#actors.push({ session, principal, agent, task });
    }
    if (withdrawn) await world.#withdraw(withdrawn, "before");
    return world;
  }

  actor(of: 0 | 1): Actor {
    const actor = this.#actors[of];
    if (!actor) throw new Error("The world is not open yet.");
    return actor;
  }

  /** Counts how a request has ended, for each kind that it is of, and for what the run was like. */
  count(of: 0 | 1, outcome: Outcome, ...kinds: readonly string[]): void {
    const circumstances = circumstancesOf(this.circumstances, this.ledger, this.actor(of).session.id);
    for (const kind of [...kinds, ...circumstances]) this.coverage.count(kind, outcome);
  }

  close(): void {
    this.#pdp.close();
  }

  async #withdraw({ what, of }: Withdrawal, when: "before" | "meanwhile"): Promise<void> {
    const target = what.replace("end of ", "") as "session" | "principal" | "agent" | "task";
    const idOf = ({ session, principal, agent, task }: Actor): string =>
      ({ session: session.id, principal: principal.id, agent: agent.id, task })[target];
    const actor = this.actor(of);
    if (what === "end of session") await actor.session.end();
    else if (what === "end of task") await this.#guard?.endTask(actor.task);
    else await this.#guard?.revoke({ [target]: idOf(actor) });
    for (const other of this.#actors)
      if (idOf(other) === idOf(actor)) this.ledger.withdraw(other.session.id, what, when);
  }

  /** What a token proves, at the moment when it is asked. */
  #proof(principal: Actor["principal"]): () => ReturnType<IdentityVerifier["verify"]> {
    const { identity } = this.circumstances;
    const auth = { method: "jwt", issuer: "https://issuer.example", verified: true };
    return () => {
      if (!identity || this.ledger.now <= identity.until) return Promise.resolve({ principal, auth });
      if (identity.then === "rejects") return Promise.reject(new Error("expired"));
      return Promise.resolve({ principal: { ...principal, roles: DEMOTED }, auth });
    };
  }
}

export function scopeOf(principalId: string): string {
  return `tenant_${principalId}`;
}
