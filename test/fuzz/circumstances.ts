import fc from "fast-check";
import { either, seldom, sometimes } from "./chance";
import { LIES, type LieName } from "./lies";
import type { Behaviour, PdpScript } from "./scripted-pdp";

/** How something of the operator's own gets in the way of a hop. */
export type Obstacle = "deny" | "throw" | "reject" | "hang" | "nonsense";

/** Something that objects to a part of the hops, which ones by chance. */
export interface Objector {
  readonly part: number;
  readonly how: Obstacle;
}

/** Everything about a run that is not the requests: how the PDP behaves, and how the guard is set up. */
export interface Circumstances extends PdpScript {
  readonly overHttp: boolean;
  readonly agents: "context" | "principal";
  readonly denials: "explain" | "hide";
  readonly guardrail: Objector | undefined;
  readonly enrichment: Objector | undefined;
  readonly audit: Objector | undefined;
  /** State that cannot be read denies every hop. */
  readonly state: "sound" | "revocations fail" | "counting fails";
  /** Proven by a token that is worth less from some moment on, or asserted. */
  readonly identity: { readonly until: number; readonly then: "rejects" | "demotes" } | undefined;
  /** Both principals of the same id, with other roles. */
  readonly twins: boolean;
  readonly visibilityTtlMs: number;
  readonly environment: string | undefined;
  /** Requests start together, or one after the other. */
  readonly together: boolean;
}

const obstacles: Obstacle[] = ["deny", "throw", "reject", "nonsense", "deny", "throw", "reject", "hang"];
const objector: fc.Arbitrary<Objector> = fc.record({
  part: fc.constantFrom(0.2, 0.5),
  how: fc.constantFrom(...obstacles),
});

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
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant("revoke" as const),
      target: fc.constantFrom("session", "principal", "agent", "task"),
      of: either,
    }),
  },
);

/** Mostly calm, or no request would ever come to the door. */
export const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  salt: fc.nat(),
  allows: fc.constantFrom(1, 1, 0.9, 0.8, 0.5),
  behaviours: fc.array(behaviour, { maxLength: 6 }),
  allowsCanary: sometimes(1),
  overHttp: sometimes(15),
  agents: fc.constantFrom("context", "context", "principal"),
  denials: fc.constantFrom("explain", "hide"),
  guardrail: seldom(15, objector),
  enrichment: seldom(15, objector),
  audit: seldom(8, objector),
  state: seldom(2, fc.constantFrom("revocations fail" as const, "counting fails" as const)).map(
    (fault) => fault ?? "sound",
  ),
  identity: seldom(
    15,
    fc.record({ until: fc.integer({ min: 0, max: 30 }), then: fc.constantFrom("rejects", "demotes") }),
  ),
  twins: sometimes(20),
  visibilityTtlMs: fc.constantFrom(0, 5000),
  environment: seldom(30, fc.constant("production")),
  together: fc.boolean(),
});
