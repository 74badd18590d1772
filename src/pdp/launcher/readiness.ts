import { get } from "node:http";
import { setTimeout } from "node:timers/promises";
import { PortTakenError } from "./errors";
import type { Endpoint } from "./config";

/**
 * Another Cerbos that took the same port at the same moment would get every second connection or so: so many in a row
 * to the right one leave it a chance of 1 in 65,536 to go unnoticed, and cost about 10 ms.
 */
const ANSWERS_IN_A_ROW = 16;
const POLL_MS = 20;

/**
 * Waits until the PDP at this endpoint, and no other process, answers.
 *
 * @throws {PortTakenError} when somebody else answers; the signal's reason when it aborts.
 */
export async function untilReady(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  let ready = 0;
  while (ready < ANSWERS_IN_A_ROW) {
    const answer = await answerFrom(endpoint, signal);
    signal.throwIfAborted();
    if (answer === "foreign") throw new PortTakenError(`Another process answers on port ${endpoint.port}`);
    if (answer === "ready") ready++;
    else await setTimeout(POLL_MS, undefined, { signal });
  }
}

/**
 * Asks for the PDP's health over a connection of its own. Who answers shows in the CORS header: the origin is a secret
 * of this start, and only a PDP with our configuration allows it.
 */
function answerFrom({ port, origin }: Endpoint, signal: AbortSignal): Promise<"ready" | "foreign" | "none"> {
  return new Promise((resolve) => {
    const options = {
      host: "127.0.0.1",
      port,
      path: "/_cerbos/health",
      agent: false,
      headers: { origin },
      signal,
    };
    get(options, (response) => {
      response.resume();
      if (response.headers["access-control-allow-origin"] !== origin) resolve("foreign");
      else resolve(response.statusCode === 200 ? "ready" : "none");
    }).on("error", () => resolve("none"));
  });
}
