import { PdpError } from "../core/pdp-error";
import type { AuxData } from "../core/ports";
import { within } from "../core/deadline";
import type { Backend, ExchangeOptions } from "./backend";

/**
 * Any `@cerbos/core` client (HTTP, gRPC, embedded), described by what is used of it. How it connects, whether it follows redirects and what it
 * accepts as an answer rests on that client; the answer's contents are read as strictly as our own exchange's.
 */
export interface CerbosClient {
  /** Asks for decisions. */
  checkResources(
    request: {
      requestId: string;
      includeMetadata: boolean;
      principal: never;
      resources: never;
      requestContext: { annotations: Record<string, string> };
      auxData?: AuxData;
    },
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
  /** Asks for query plans. */
  planResources(
    request: {
      requestId: string;
      principal: never;
      resource: never;
      action: string;
      requestContext: { annotations: Record<string, string> };
      auxData?: AuxData;
    },
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
}

export function clientBackend(client: CerbosClient): Backend {
  return {
    async check({ requestId, principal, checks, annotations, auxData }, options) {
      const answer = await ask(options, (signal) =>
        client.checkResources(
          {
            requestId,
            includeMetadata: true,
            principal: principal as never,
            resources: checks.map(({ actions, resource }) => ({ actions, resource })) as never,
            requestContext: { annotations: { ...annotations } },
            ...(auxData && { auxData }),
          },
          { signal },
        ),
      );
      return inWireShape(answer);
    },
    async plan({ requestId, principal, resource, action, annotations, auxData }, options) {
      const answer = await ask(options, (signal) =>
        client.planResources(
          {
            requestId,
            principal: principal as never,
            resource: resource as never,
            action,
            requestContext: { annotations: { ...annotations } },
            ...(auxData && { auxData }),
          },
          { signal },
        ),
      );
      const { kind, requestId: echoed, validationErrors } = members(answer);
      return { requestId: echoed, action, filter: { kind }, validationErrors };
    },
    close: () => undefined,
  };
}

async function ask<T>(
  { signal, timeoutMs }: ExchangeOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  // Neither of the published clients times out by itself, and not every one obeys the signal.
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await within(timeoutMs, "the PDP client", call(controller.signal));
  } catch (error) {
    signal.throwIfAborted();
    throw new PdpError("pdp_unavailable", error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  } finally {
    signal.removeEventListener("abort", abort);
    controller.abort();
  }
}

/** The SDK renames three members of the API's JSON; renamed back, one reader serves both. */
function inWireShape(answer: unknown): unknown {
  const { cerbosCallId, requestId, results } = members(answer);
  return {
    cerbosCallId,
    requestId,
    results: Array.isArray(results) ? results.map(resultInWireShape) : results,
  };
}

function resultInWireShape(result: unknown): unknown {
  const { resource, actions, validationErrors, metadata, outputs } = members(result);
  return {
    resource,
    actions,
    validationErrors,
    ...(metadata !== undefined && { meta: { actions: members(metadata).actions } }),
    outputs: Array.isArray(outputs) ? outputs.map(outputInWireShape) : outputs,
  };
}

function outputInWireShape(output: unknown): unknown {
  const { source, action, value } = members(output);
  return { src: source, action, val: value ?? null };
}

/** Of anything: what is no object has none, and the reader says so. */
function members(value: unknown): Record<string, unknown> {
  return Object(value) as Record<string, unknown>;
}
