import {
  createGuard,
  findDenial,
  PdpError,
  type DenialCode,
  type PdpAnswer,
  type PdpQuery,
  type Session,
} from "../index";
import { recordingAudit, type RecordingAudit } from "./recording-audit";
import { stubPdp, type StubPdp } from "./stub-pdp";

/** An adapter, as the suite plays on it. Names are models for a model client, and tools for everything that runs tools. */
export interface AdapterUnderTest {
  /** The name that the suite's policy allows. */
  readonly allowed: string;
  /** The name that it denies. Both exist upstream. */
  readonly denied: string;
  /** What upstream is asked on other occasions than a call (opening a server, listing its tools). The suite's policy allows it. */
  readonly isPreparation?: (action: string) => boolean;
  /** Guards a fresh client, transport or set of tools for the session. */
  open(session: Session): Promise<ConformanceTarget>;
}

/** Something that is guarded, and the upstream behind it. */
export interface ConformanceTarget {
  /** Makes a call as a user would, with arguments where calls have any. Resolves or rejects as is native. */
  call(name: string, args: { note: string }, options?: { readonly signal: AbortSignal }): Promise<unknown>;
  /** How many calls have reached upstream. */
  reached(): number;
  /** The arguments of the last call that reached upstream; without it, calls have no arguments to change. */
  lastArguments?(): unknown;
  /** The same as `call`, streamed to its end. */
  stream?(name: string): Promise<unknown>;
  /** A client that the user derives from the guarded one. */
  derive?(): ConformanceTarget;
  /** Closes both. */
  close(): Promise<void>;
}

/** One promise, for any test runner: `it(name, run)`. */
export interface ConformanceCase {
  readonly name: string;
  /** Rejects when the promise is broken. */
  readonly run: () => Promise<void>;
}

interface Stage {
  readonly target: ConformanceTarget;
  readonly pdp: StubPdp;
  readonly audit: RecordingAudit;
  readonly revoke: () => Promise<void>;
}

const NOTE = { note: "as it was" };
const POLICY_WORDS = {
  reason: "not for this role",
  remediation: { type: "step_up", approvers_role: "lead" },
} as const;

/**
 * The promises that every adapter keeps: what is allowed goes out once and unchanged, what is not never reaches upstream, whatever the reason, and the
 * denial arrives whole.
 */
export function adapterConformance(adapter: AdapterUnderTest): readonly ConformanceCase[] {
  const { allowed, denied } = adapter;
  const test = (name: string, play: (stage: Stage) => Promise<void>): ConformanceCase => ({
    name,
    run: async () => {
      const stage = await prepare(adapter);
      try {
        await play(stage);
      } finally {
        await stage.target.close();
      }
    },
  });
  const denies = (name: string, code: DenialCode, disturb: (stage: Stage) => unknown): ConformanceCase =>
    test(name, async (stage) => {
      await disturb(stage);
      await expectDenial(stage.target, () => stage.target.call(allowed, { ...NOTE }), code);
    });
  const interrupted = (behaviour: (query: PdpQuery) => Promise<PdpAnswer>) => (stage: Stage) =>
    stage.pdp.interrupt(behaviour);

  return [
    test("an allowed call goes out, once", async ({ target }) => {
      const outcome = await settled(target.call(allowed, { ...NOTE }));
      expect(findDenial(outcome.value) === undefined && outcome.ok, "the call was denied", outcome.value);
      expect(target.reached() === 1, `${target.reached()} calls reached upstream`);
    }),
    test("a denied call never reaches upstream, and its denial arrives whole", async ({ target, audit }) => {
      const denial = await expectDenial(target, () => target.call(denied, { ...NOTE }), "policy_denied");
      expect(denial.reason === POLICY_WORDS.reason, "the policy's reason was lost", denial);
      expect(
        denial.remediation?.approvers_role === POLICY_WORDS.remediation.approvers_role,
        "the remediation was lost",
        denial,
      );
      const recorded = audit.records.some(
        ({ decision_id, effect }) => decision_id === denial.decision_id && effect === "deny",
      );
      expect(recorded, "the denial was not recorded");
    }),
    denies("nothing goes out while the PDP is down", "pdp_unavailable", (stage) =>
      interrupted(() => Promise.reject(new PdpError("pdp_unavailable", "down")))(stage),
    ),
    denies("nothing goes out when the PDP's answer proves nothing", "pdp_invalid_response", (stage) =>
      interrupted(() => Promise.reject(new PdpError("pdp_invalid_response", "nonsense")))(stage),
    ),
    denies("an answer about another action is no answer", "policy_denied", (stage) =>
      interrupted(() => Promise.resolve(allowing("another/action")))(stage),
    ),
    denies("nothing goes out that cannot be recorded", "audit_failed", ({ audit }) =>
      audit.failWith(new Error("disk full")),
    ),
    denies("nothing goes out after a revocation", "revoked", ({ revoke }) => revoke()),
    test("a call that is aborted while it is decided does not go out", async ({ target, pdp }) => {
      const controller = new AbortController();
      const asked = new Promise<void>((resolve) => {
        pdp.interrupt(async (query) => {
          resolve();
          await new Promise((later) => setTimeout(later, 50));
          return allowing(...query.actions);
        });
      });
      const outcome = settled(target.call(allowed, { ...NOTE }, { signal: controller.signal }));
      await asked;
      controller.abort();
      await outcome;
      await new Promise((later) => setTimeout(later, 100));
      expect(target.reached() === 0, "an aborted call reached upstream");
    }),
    test("parallel calls get each their own decision", async ({ target }) => {
      const names = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? allowed : denied));
      const outcomes = await Promise.all(names.map((name) => settled(target.call(name, { ...NOTE }))));
      outcomes.forEach(({ value }, index) => {
        const isDenied = findDenial(value) !== undefined;
        expect(isDenied === (names[index] === denied), `call ${index} got another call's decision`, value);
      });
      expect(target.reached() === 10, `${target.reached()} calls of 10 reached upstream`);
    }),
    ...["constructor", "toString", "__proto__"].map((name) =>
      test(`a name like ${name} is only a name`, async ({ target }) => {
        const { value } = await settled(target.call(name, { ...NOTE }));
        expect(findDenial(value) !== undefined, "it was not denied", value);
        expect(target.reached() === 0, "it reached upstream");
      }),
    ),
    test("what was checked is what is sent, though the arguments change right after the call", async ({
      target,
      pdp,
    }) => {
      if (!target.lastArguments) return;
      const args = { ...NOTE };
      const outcome = settled(target.call(allowed, args));
      args.note = "changed";
      await outcome;
      // An SDK may itself read late; what it then hands over is read once.
      const checked = JSON.stringify(pdp.queries.at(-1)?.resource.attr.arguments);
      const sent = JSON.stringify(target.lastArguments());
      expect(checked === sent, `the PDP saw ${checked}, and upstream ${sent}`);
    }),
    test("streams are decided like calls", async ({ target }) => {
      if (!target.stream) return;
      await target.stream(allowed);
      expect(target.reached() === 1, "the allowed stream did not reach upstream once");
      const { value } = await settled(target.stream(denied));
      expect(findDenial(value)?.code === "policy_denied", "the denied stream was not denied", value);
      expect(target.reached() === 1, "the denied stream reached upstream");
    }),
    test("what is derived from it is guarded, too", async ({ target }) => {
      const derived = target.derive?.();
      if (derived) await expectDenial(derived, () => derived.call(denied, { ...NOTE }), "policy_denied");
    }),
  ];
}

async function prepare(adapter: AdapterUnderTest): Promise<Stage> {
  const audit = recordingAudit();
  const names = (query: PdpQuery, action: string, name: string): boolean =>
    query.resource.id === name || action.endsWith(`/${name}`);
  const pdp = stubPdp({
    rules: [
      (_query, action) => (adapter.isPreparation?.(action) ? true : undefined),
      (query, action) => (names(query, action, adapter.allowed) ? true : undefined),
      (query, action) => (names(query, action, adapter.denied) ? POLICY_WORDS : undefined),
    ],
    // What is denied with arguments is still shown, so that the call itself is what gets denied.
    plan: () => "conditional",
  });
  const guard = createGuard({ pdp, audit });
  const session = await guard.session({
    principal: { id: "conformance-user", roles: ["user"] },
    agent: { id: "conformance-agent", roles: ["agent"] },
  });
  return {
    target: await adapter.open(session),
    pdp,
    audit,
    revoke: () => guard.revoke({ session: session.id }),
  };
}

async function expectDenial(target: ConformanceTarget, call: () => Promise<unknown>, code: DenialCode) {
  const before = target.reached();
  const { value } = await settled(call());
  const denial = findDenial(value);
  expect(target.reached() === before, "a denied call reached upstream");
  expect(denial?.code === code, `expected the denial ${code}`, denial ?? value);
  return denial;
}

function allowing(...actions: readonly string[]): PdpAnswer {
  const effects = new Map(actions.map((action) => [action, "allow"] as const));
  return { effects, outputs: [], matchedPolicies: new Map(), validationErrors: [] };
}

async function settled(call: Promise<unknown>): Promise<{ readonly ok: boolean; readonly value: unknown }> {
  try {
    return { ok: true, value: await call };
  } catch (error) {
    return { ok: false, value: error };
  }
}

function expect(condition: boolean, message: string, found?: unknown): asserts condition {
  if (!condition) throw new Error(found === undefined ? message : `${message}: ${describe(found)}`);
}

function describe(found: unknown): string {
  return found instanceof Error ? (found.stack ?? found.message) : JSON.stringify(found);
}
