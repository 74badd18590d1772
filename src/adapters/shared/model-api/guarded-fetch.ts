import type { Denial } from "../../../core/denial";
import type { Session } from "../../../core/session";
import { CreatedResources } from "./created-resources";
import { denialResponse } from "./denial-response";
import { guardedCall } from "./guarded-call";
import type { ModelGuard } from "./options";
import { readOutgoing } from "./outgoing-request";
import { sendable } from "./request-body";

/** A function with the calling convention of the global `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface GuardedFetchOptions {
  readonly guard: ModelGuard;
  readonly session: Session;
  readonly baseURL: URL;
  readonly fetch: Fetch;
  /** What has been created at the provider before, by this fetch or those that share it. Default: nothing. */
  readonly created?: CreatedResources;
  /** Sees each denial with the response that carries it. */
  readonly onDenial?: (denial: Denial, response: Response) => void;
}

/**
 * A `fetch` that decides before it sends. What it cannot read, or does not know, it denies. A denial is a response, so that SDKs raise it in their
 * own way and do not retry. It throws only what the real fetch throws, the reason of an aborted signal included.
 */
export function guardedFetch({
  fetch,
  created = new CreatedResources(),
  onDenial,
  ...options
}: GuardedFetchOptions): Fetch {
  const call = guardedCall({
    ...options,
    created,
    send: ({ outgoing, body, assertion, signal }) =>
      fetch(outgoing.url.href, { ...sendable(outgoing, body, assertion), ...(signal && { signal }) }),
    deny: (denial) => {
      const response = denialResponse(options.guard.api, denial);
      onDenial?.(denial, response);
      return response;
    },
  });
  return async (input, init) =>
    // The probe by which the SDKs find out what fetch can do. It reaches nobody.
    input === "data:," ? fetch(input, init) : call(() => readOutgoing(input, init));
}
