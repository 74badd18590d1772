import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { digestJson } from "../core/digest";
import { snapshot } from "../core/json";
import { objectWith } from "../core/option-types";
import { parseOptions } from "../core/options";
import { HopguardError, type AssertedHop } from "../index";
import { ASSERTION_TYPE, assertedHop, LONGEST_LIFE } from "./assertions";
import { proveSigned } from "./prove-signed";
import { memoryReplays, type Replays } from "./replays";
import { keyOptions, type KeyOptions } from "./shared-options";
import { ALGORITHMS, DEFAULT_ALGORITHMS, jwksOption, keySetOf, type JwtAlgorithm } from "./verification-keys";

/** Options of {@link assertionVerifier}. */
export interface AssertionVerifierOptions extends KeyOptions {
  /** Who signs, exactly as assertions say it in `iss`. */
  readonly issuer: string;
  /** This service's own name: an assertion must be for it, and for nobody else. */
  readonly audience: string;
  /** The public keys that prove assertions, or where they are. */
  readonly keys: string | URL | JSONWebKeySet;
  /** Default `["RS256", "PS256", "ES256", "EdDSA"]`. What a token says of its algorithm counts only if it is among these. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** Remembers which assertions were used. Default: this process's memory, so that each process would take an assertion once. */
  readonly replays?: Replays;
}

/** What the service has been asked to do, as it understands it itself. */
export interface ExpectedHop {
  /** What must have been allowed. Default: whatever was; compare it yourself. */
  readonly hop?: { readonly kind: string; readonly name?: string; readonly action: string };
  /** The arguments that the call came with. If this member is there, their digest must be the asserted one. */
  readonly arguments?: unknown;
}

/** Verifies assertions. */
export interface AssertionVerifier {
  /**
   * What was allowed, to whom and for whom. Once: the second use of an assertion is refused.
   *
   * @throws {InvalidAssertionError} for everything else.
   */
  verify(assertion: string | null | undefined, expected?: ExpectedHop): Promise<AssertedHop>;
}

/** An assertion proves nothing. The message is for the log, and not for whoever sent the assertion: answer with 401 or 403. */
export class InvalidAssertionError extends HopguardError {
  static override readonly code = "ERR_HOPGUARD_INVALID_ASSERTION";
  override readonly name: string = "InvalidAssertionError";
}

const optionsSchema = z.strictObject({
  ...keyOptions,
  issuer: z.string().min(1),
  audience: z.string().min(1),
  keys: jwksOption,
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default([...DEFAULT_ALGORITHMS]),
  replays: objectWith<Replays>("claim", "release").optional(),
});
const expectedSchema = z.strictObject({
  hop: z
    .strictObject({ kind: z.string(), name: z.string().exactOptional(), action: z.string() })
    .exactOptional(),
  arguments: z.unknown().optional(),
});

/**
 * For a service that guarded calls arrive at: checks again what was decided before. It needs no guard and no PDP, and runs where there is no Node.
 *
 * @see RFC 8725, JSON Web Token Best Current Practices
 * @throws {ConfigurationError} naming the wrong option.
 */
export function assertionVerifier(options: AssertionVerifierOptions): AssertionVerifier {
  const parsed = parseOptions(optionsSchema, "assertionVerifier", options);
  const { issuer, audience, keys, algorithms, clock, clockToleranceMs, ...life } = parsed;
  const replays = parsed.replays ?? memoryReplays(clock);
  const keySet = keySetOf(keys, { ...life, clock });
  const rules = { issuer, audience, algorithms, types: [ASSERTION_TYPE], clockToleranceMs };

  const verify = async (assertion: string, expected: ExpectedHop): Promise<AssertedHop> => {
    const { claims, issuedAt, expiresAt } = await proveSigned(assertion, keySet, rules, clock());
    if (expiresAt === undefined || expiresAt - issuedAt > LONGEST_LIFE * 1000)
      throw new Error(`it lives for longer than ${LONGEST_LIFE} seconds`);
    const asserted = assertedHop(claims);
    if (expected.hop) refuseOtherHop(asserted.hop, expected.hop);
    if (Object.hasOwn(expected, "arguments")) await refuseOtherArguments(asserted, expected.arguments);
    // Last, so that nothing is remembered of what is refused.
    const id = JSON.stringify([issuer, audience, asserted.decisionId]);
    if (!(await replays.claim(id, expiresAt))) throw new Error("it was used before");
    return asserted;
  };

  return Object.freeze<AssertionVerifier>({
    async verify(assertion, given = {}) {
      const expected = parseOptions(expectedSchema, "verify", given);
      if (typeof assertion !== "string" || assertion === "")
        throw new InvalidAssertionError("there is no assertion");
      try {
        return await verify(assertion, expected);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new InvalidAssertionError(`the assertion proves nothing: ${reason}`, { cause });
      }
    },
  });
}

function refuseOtherHop(asserted: AssertedHop["hop"], expected: Required<ExpectedHop>["hop"]): void {
  const isIt =
    asserted.kind === expected.kind &&
    asserted.action === expected.action &&
    (expected.name === undefined || asserted.name === expected.name);
  if (!isIt) throw new Error(`it is about ${asserted.action} on ${asserted.kind} ${asserted.name}`);
}

/** A call without arguments is one with none in it: what is between the caller and the service may write it either way. */
async function refuseOtherArguments({ argumentsDigest }: AssertedHop, given: unknown): Promise<void> {
  const [wanted, found] = await Promise.all([
    argumentsDigest ?? digestJson({}),
    digestJson(snapshot(given === undefined ? {} : given)),
  ]);
  if (wanted !== found) throw new Error("it is about other arguments");
}
