import { createGuard, type IdentityVerifier, type Session } from "hopguard";
import type { CerbosPdp } from "hopguard/cerbos";
import type { Circumstances } from "./circumstances";
import { Ledger } from "./ledger";
import { Obstacles, stateOf } from "./obstacles";
import { overClient, type PdpServer } from "./pdp-endpoints";
import { ScriptedPdp } from "./scripted-pdp";

/** One who acts, and the session that stands for it. */
export interface Actor {
  readonly session: Session;
  readonly principal: { readonly id: string; readonly roles: readonly string[] };
  readonly agent: { readonly id: string; readonly roles: readonly string[] };
}

export const POLICY_VERSION = "fuzz";
export const DEMOTED = ["demoted"];
/** What names of models stand for, in every run. */
export const ALIASES = { "team-fast": "gpt-4o-mini", "claude-team": "claude-haiku" };
/** Silence is late after this, for the guard and over the scripted client. */
const TIMEOUT_MS = 25;
const HTTP_TIMEOUT_MS = 100;

/** A guard with two sessions, everything that may go wrong around it, and what the oracle knows of that. */
export class World {
  readonly ledger = new Ledger();
  readonly obstacles: Obstacles;
  readonly #actors: Actor[] = [];
  readonly #pdp: CerbosPdp;

  private constructor(
    readonly circumstances: Circumstances,
    server: PdpServer,
  ) {
    this.obstacles = new Obstacles(circumstances);
    const scripted = new ScriptedPdp(circumstances, this.ledger, ({ target, of }) =>
      this.#revoke(target, of),
    );
    const options = {
      policyVersion: POLICY_VERSION,
      scope: ({ id }: { readonly id: string }) => scopeOf(id),
      timeoutMs: circumstances.overHttp ? HTTP_TIMEOUT_MS : TIMEOUT_MS,
    };
    this.#pdp = circumstances.overHttp ? server.over(scripted, options) : overClient(scripted, options);
  }

  #revoke: (target: "session" | "principal" | "agent" | "task", of: 0 | 1) => Promise<void> = () =>
    Promise.resolve();

  static async open(circumstances: Circumstances, server: PdpServer): Promise<World> {
    const world = new World(circumstances, server);
    const tokens = new Map<string, () => ReturnType<IdentityVerifier["verify"]>>();
    const guard = createGuard({
      pdp: world.#pdp,
      agents: circumstances.agents,
      denials: circumstances.denials,
      models: ALIASES,
      visibilityTtlMs: circumstances.visibilityTtlMs,
      timeoutMs: TIMEOUT_MS,
      guardrails: [world.obstacles.guardrail()],
      enrich: [world.obstacles.enrichment()],
      audit: world.obstacles.audit(world.ledger),
      state: stateOf(circumstances),
      identity: { verify: (token) => tokens.get(token)?.() ?? Promise.reject(new Error("unknown token")) },
      ...(circumstances.environment !== undefined && { environment: circumstances.environment }),
    });
    for (const of of [0, 1] as const) {
      const principal = {
        id: circumstances.twins ? "twin" : (["alice", "bob"][of] ?? ""),
        roles: [["clerk"], ["lead", "clerk"]][of] ?? [],
      };
      const agent = { id: `bot_${circumstances.twins ? "" : of}`, roles: [["helper"], []][of] ?? [] };
      tokens.set(`token-${of}`, world.#proof(principal));
      const session = await guard.session({
        agent,
        task: { id: `T-${of}` },
        ...(circumstances.identity ? { token: `token-${of}` } : { principal }),
      });
      world.#actors.push({ session, principal, agent });
    }
    world.#revoke = async (target, of) => {
      const { session, principal, agent } = world.actor(of);
      const id = { session: session.id, principal: principal.id, agent: agent.id, task: `T-${of}` }[target];
      await guard.revoke({ [target]: id });
      for (const actor of world.#actors) {
        const { session: other, principal: theirs, agent: bot } = actor;
        if ([other.id, theirs.id, bot.id, other.task].includes(id)) world.ledger.withdrawn.add(other.id);
      }
    };
    return world;
  }

  actor(of: 0 | 1): Actor {
    const actor = this.#actors[of];
    if (!actor) throw new Error("The world is not open yet.");
    return actor;
  }

  close(): void {
    this.#pdp.close();
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
