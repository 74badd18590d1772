import fc from "fast-check";
import { either, seldom, sometimes } from "./chance";
import { LIES, type LieName } from "./lies";
import type { Behaviour, Budget, PdpScript, Withdrawal } from "./scripted-pdp";

export const OBSTACLES = ["deny", "throw", "reject", "nonsense", "hang"] as const;
/** How something of the operator's own gets in the way of a hop. */
export type Obstacle = (typeof OBSTACLES)[number];

/** Something that objects to a part of the hops, which ones by chance. */
export interface Objector {
  readonly part: number;
  readonly how: Obstacle;
}

/** What the operator has set up that looks at hops, by the names under which the circumstances have it. */
export const HOOKS = ["guardrail", "facts", "optional", "standing", "classifier", "audit"] as const;
export type Hook = (typeof HOOKS)[number];

/** Everything about a run that is not the requests: how the PDP behaves, and how the guard is set up. Where there is an outage, some hops are admitted. */
export interface Circumstances extends PdpScript {
  readonly overHttp: boolean;
  readonly agents: "context" | "principal";
  readonly denials: "explain" | "hide";
  /** Which hooks get in the way: at most one, so that the report says whose doing it was. */
  readonly objecting: Readonly<Partial<Record<Hook, Objector>>>;
  /** State that cannot be read denies every hop. */
  readonly state: "sound" | "revocations fail" | "counting fails";
  /** State that is a round trip away, or answers at once. */
  readonly isRemote: boolean;
  readonly tasks: "asserted" | "registered" | "not registered";
  /** What was withdrawn before anything was asked. */
  readonly withdrawn: Withdrawal | undefined;
  /** Proven by a token that is worth less from some moment on, or asserted. */
  readonly identity: { readonly until: number; readonly then: "rejects" | "demotes" } | undefined;
  /** Both principals, agents and tasks of the same ids; the principals with other roles. */
  readonly twins: boolean;
  readonly visibilityTtlMs: number;
  readonly environment: string | undefined;
  /** Requests start together, or one after the other. */
  readonly together: boolean;
}

const objecting: fc.Arbitrary<Circumstances["objecting"]> = seldom(
  40,
  fc.record({
    hook: fc.constantFrom(...HOOKS),
    part: fc.constantFrom(0.2, 0.5),
    // Silence takes its time.
    how: fc.constantFrom(...OBSTACLES, ...OBSTACLES.filter((how) => how !== "hang")),
  }),
).map((chosen) => (chosen ? { [chosen.hook]: { part: chosen.part, how: chosen.how } } : {}));

export const WITHDRAWALS = [
  "session",
  "principal",
  "agent",
  "task",
  "end of session",
  "end of task",
] as const;
const withdrawal: fc.Arbitrary<Withdrawal> = fc.record({ of: either, what: fc.constantFrom(...WITHDRAWALS) });

const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Behaviour>({ act: "answer" }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant("answer" as const),
      reversed: fc.boolean(),
      chatty: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("answer" as const), afterMs: fc.integer({ min: 0, max: 3 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant("lie" as const),
      lie: fc.constantFrom(...(Object.keys(LIES) as LieName[])),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("withdraw" as const), withdrawal }) },
);

const budget: fc.Arbitrary<Budget> = fc.oneof(
  fc.record({ of: fc.constant("calls" as const), limit: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ of: fc.constant("tokens" as const), limit: fc.constantFrom(60, 4500, 9000) }),
);

/** Mostly calm, or no request would ever come to the door. */
export const circumstances: fc.Arbitrary<Circumstances> = fc
  .record({
    salt: fc.nat(),
    allows: fc.constantFrom(1, 1, 0.9, 0.8, 0.5),
    behaviours: fc.array(behaviour, { maxLength: 6 }),
    allowsCanary: sometimes(1),
    budget: seldom(10, budget),
    overHttp: sometimes(15),
    agents: fc.constantFrom("context" as const, "context" as const, "principal" as const),
    denials: fc.constantFrom("explain" as const, "hide" as const),
    objecting,
    state: seldom(2, fc.constantFrom("revocations fail" as const, "counting fails" as const)).map(
      (fault) => fault ?? "sound",
    ),
    isRemote: sometimes(30),
    tasks: fc.oneof(
      { weight: 70, arbitrary: fc.constant("asserted" as const) },
      { weight: 28, arbitrary: fc.constant("registered" as const) },
      { weight: 2, arbitrary: fc.constant("not registered" as const) },
    ),
    withdrawn: seldom(4, withdrawal),
    outage: seldom(
      15,
      fc
        .tuple(fc.nat({ max: 4 }), fc.integer({ min: 1, max: 6 }))
        .map(([from, exchanges]) => ({ from, until: from + exchanges })),
    ),
    identity: seldom(
      15,
      fc.record({
        until: fc.integer({ min: 0, max: 30 }),
        then: fc.constantFrom("rejects" as const, "demotes" as const),
      }),
    ),
    twins: sometimes(20),
    visibilityTtlMs: fc.constantFrom(0, 5000),
    environment: seldom(30, fc.constant("production")),
    together: fc.boolean(),
  })
  .map(({ behaviours, overHttp, tasks, ...given }) => ({
    ...given,
    behaviours,
    // What counts as silence over a wire is not for the oracle to know.
    overHttp: overHttp && !given.outage,
    // Only what is registered can be ended.
    tasks: [given.withdrawn, ...behaviours.map(withdrawalIn)].some(isEndOfTask) ? "registered" : tasks,
  }));

const withdrawalIn = (behaviour: Behaviour): Withdrawal | undefined =>
  behaviour.act === "withdraw" ? behaviour.withdrawal : undefined;
const isEndOfTask = (withdrawal: Withdrawal | undefined): boolean => withdrawal?.what === "end of task";
