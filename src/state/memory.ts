import type { HopStanding, SessionCounter, StateStore } from "../core/ports";
import { memoryRevocations } from "./memory-revocations";
import { memoryUsage, type MemoryUsage } from "./memory-usage";
import { shared } from "./shared";

/** State in this process's memory: seen by every guard that shares the store, and by no other process. */
export function memoryState(): StateStore {
  const { revocations, tasks } = memoryRevocations();
  const usage = memoryUsage();
  const sessions = shared<SessionCounter>();
  return {
    revocations,
    tasks,
    session: (id, startedAt) => sessions(id, () => memorySession(id, startedAt, revocations, usage)),
  };
}

/** An agent that makes names up can neither fill the memory nor have a limit on attempts forgotten: more names are an error. */
export const MAX_ACTIONS = 1000;

/** The counts live for as long as somebody holds the counter. */
function memorySession(
  id: string,
  startedAt: Date,
  revocations: ReturnType<typeof memoryRevocations>["revocations"],
  usage: MemoryUsage,
): SessionCounter {
  const started_at = startedAt.toISOString();
  const attempts = new Map<string, number>();
  const calls = new Map<string, number>();
  let steps = 0;
  let denials = 0;

  const count = (counts: Map<string, number>, action: string): void => {
    const before = counts.get(action);
    if (before === undefined && counts.size >= MAX_ACTIONS)
      throw new Error(`this session has tried ${MAX_ACTIONS} different actions`);
    counts.set(action, (before ?? 0) + 1);
  };
  const standing = (sums: HopStanding["usage"]): HopStanding => ({
    session: {
      id,
      started_at,
      steps,
      attempts: Object.fromEntries(attempts),
      calls: Object.fromEntries(calls),
      denials,
    },
    usage: sums,
  });
  return {
    begin({ action, authority, accounts, reserve }) {
      const revocation = revocations.find(authority);
      if (revocation) return { ...standing([]), revocation };
      count(attempts, action);
      steps++;
      return standing(usage.add(accounts, reserve));
    },
    settle({ action, outcome, accounts, correction }) {
      if (outcome === "done") count(calls, action);
      if (outcome === "denied") denials++;
      usage.add(accounts, correction);
    },
    peek: (accounts) => standing(usage.read(accounts)),
  };
}
