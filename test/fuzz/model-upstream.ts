import type { Received } from "./model-oracle";
import type { Arrival } from "./oracle";
import type { Actor, World } from "./world";

/** Says in a request which of the calls it is. Means nothing to anybody else. */
export const CALL_HEADER = "x-call";

/** A request that came to a provider. */
export interface Seen extends Arrival, Received {
  readonly call: number;
}

/** Writes down a request as it comes to the provider. */
export async function receive(
  world: World,
  actor: Actor,
  began: readonly number[],
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Seen> {
  const at = world.ledger.moment();
  const headers = new Headers(init.headers);
  const call = Number(headers.get(CALL_HEADER) ?? -1);
  const { body } = init;
  const form = body instanceof FormData ? [...body.entries()] : undefined;
  const text = body === undefined || body === null || form ? undefined : await new Response(body).text();
  return {
    ...{ actor, call, at, headers },
    began: began[call] ?? Infinity,
    url: input instanceof Request ? input.url : input.toString(),
    method: init.method ?? "GET",
    redirect: init.redirect,
    body: form ? { form } : text === undefined ? undefined : { text },
  };
}
