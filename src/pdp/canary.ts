import { PdpError } from "../core/pdp-error";
import { readCheckAnswer } from "./answer";
import { resourceCheck, type Backend } from "./backend";

const PRINCIPAL = { id: "hopguard_canary", roles: ["hopguard_canary"], attr: {} };

/**
 * Asks about something that no policy can allow. A PDP that allows it allows everything: a misconfigured one, or something else that listens there.
 *
 * @throws {PdpError}
 */
export async function provePdpDenies(backend: Backend, timeoutMs: number): Promise<void> {
  const action = "hopguard_canary";
  const request = {
    requestId: crypto.randomUUID(),
    principal: PRINCIPAL,
    checks: [resourceCheck([action], { kind: "hopguard_canary", id: crypto.randomUUID(), attr: {} })],
    annotations: {},
  };
  const answer = await backend.check(request, { signal: new AbortController().signal, timeoutMs });
  const [result] = readCheckAnswer(request, answer);
  if (result?.effects.get(action) !== "deny") {
    throw new PdpError(
      "pdp_invalid_response",
      "the PDP allows what no policy knows: it is misconfigured, or no Cerbos PDP",
    );
  }
}
