import { createGuard, type Session, type TokenSource } from "hopguard";
import { jwt } from "hopguard/identity";
import { stubPdp } from "hopguard/testing";
import { AUDIENCE, goodClaims, ISSUER } from "../support/bad-tokens";
import { TokenSigner, type Kid } from "../support/token-signer";
import { interleaved, median, percentile, round } from "./measure";
import { AGENT, HOP } from "./workload";

/**
 * What a verified token adds to a hop, with keys that are there: one that was verified a moment ago, and one that nobody has seen. The PDP is a
 * stub, so that nothing but the pipeline is timed.
 */
export async function identity() {
  const signer = new TokenSigner();
  const identity = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await signer.jwks() });
  const pdp = stubPdp({ rules: [() => true] });
  const guard = createGuard({ pdp, identity, audit: () => undefined });
  const principal = { id: "clerk-1", roles: ["clerk"] };

  let count = 0;
  const fresh = async (kid: Kid, alg: string): Promise<TokenSource> => {
    const tokens = await Promise.all(
      Array.from({ length: ROUNDS + 1000 }, () =>
        signer.sign({ ...goodClaims(), jti: String(count++) }, { kid, alg }),
      ),
    );
    return () => tokens.pop() ?? "";
  };
  const session = (token: TokenSource): Promise<Session> => guard.session({ token, agent: AGENT });
  const sessions = {
    asserted: await guard.session({ principal, agent: AGENT }),
    known: await session(await signer.sign(goodClaims())),
    es256: await session(await fresh("es-1", "ES256")),
    rs256: await session(await fresh("rsa-1", "RS256")),
    eddsa: await session(await fresh("ed-1", "EdDSA")),
  };
  const times = await interleaved(ROUNDS, {
    asserted: () => sessions.asserted.authorize(HOP),
    known: () => sessions.known.authorize(HOP),
    es256: () => sessions.es256.authorize(HOP),
    rs256: () => sessions.rs256.authorize(HOP),
    eddsa: () => sessions.eddsa.authorize(HOP),
  });
  const added = (name: keyof typeof times) => round(median(times[name]) - median(times.asserted));
  return {
    asserted_p50_ms: round(median(times.asserted)),
    known_p50_ms: round(median(times.known)),
    known_adds_ms: added("known"),
    es256_adds_ms: added("es256"),
    rs256_adds_ms: added("rs256"),
    eddsa_adds_ms: added("eddsa"),
    es256_p99_ms: round(percentile(times.es256, 0.99)),
  };
}

const ROUNDS = 2000;
