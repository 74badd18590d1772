import type {
  Revocation,
  RevocationStore,
  RevocationTarget,
  SessionCounter,
  SessionFacts,
  StateStore,
} from "../core/ports";

/** State in this process's memory: revocations are seen by every guard that shares the store, and by no other process. */
export function memoryState(): StateStore {
  return { revocations: memoryRevocations(), session: memorySession };
}

function memoryRevocations(): RevocationStore {
  const revoked = new Map<string, Revocation>();
  const key = (target: RevocationTarget): string => JSON.stringify(Object.entries(target)[0]);
  return {
    revoke(revocation) {
      revoked.set(key(revocation.target), revocation);
    },
    restore(target) {
      revoked.delete(key(target));
    },
    find(targets) {
      if (revoked.size === 0) return undefined;
      return targets.map((target) => revoked.get(key(target))).find(Boolean);
    },
  };
}

/** An agent that makes names up can neither fill the memory nor have a limit on attempts forgotten: more names are an error. */
const MAX_ACTIONS = 1000;

/** The counts live and die with the session object. */
function memorySession(id: string, startedAt: Date): SessionCounter {
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
  const facts = (): SessionFacts => ({
    id,
    started_at,
    steps,
    attempts: Object.fromEntries(attempts),
    calls: Object.fromEntries(calls),
    denials,
  });
  return {
    begin(action) {
      count(attempts, action);
      steps++;
      return facts();
    },
    settle(action, effect) {
      if (effect === "allow") count(calls, action);
      else denials++;
    },
    peek: facts,
  };
}
