import { memoryState, type SessionCounter, type StateStore } from "hopguard";
import type { Circumstances } from "./circumstances";
import { Ledger } from "./ledger";

/** State in memory that writes down how often it counts: at hand or a round trip away, and sound or not to be read. */
export function stateOf({ state, isRemote }: Circumstances, ledger: Ledger): StateStore {
  const sound = memoryState();
  const ask = <T>(answer: () => T | Promise<T>, isBroken = false): T | Promise<T> => {
    const read = (): T | Promise<T> => {
      if (isBroken) throw new Error("broken at 10.0.0.7:6379");
      return answer();
    };
    return isRemote ? Promise.resolve().then(read) : read();
  };
  const isUncountable = state === "counting fails";
  return {
    isRemote,
    tasks: sound.tasks,
    revocations: {
      ...sound.revocations,
      find: (authority) => ask(() => sound.revocations.find(authority), state === "revocations fail"),
    },
    session: (id, startedAt): SessionCounter => {
      const counter = sound.session(id, startedAt);
      const count = (...hop: Parameters<SessionCounter["begin"]>): ReturnType<SessionCounter["begin"]> => {
        Ledger.add(ledger.counted, id, 1);
        return counter.begin(...hop);
      };
      return {
        begin: (start) => ask(() => count(start), isUncountable),
        settle: (end) => counter.settle(end),
        peek: (accounts) => ask(() => counter.peek(accounts), isUncountable),
      };
    },
  };
}
