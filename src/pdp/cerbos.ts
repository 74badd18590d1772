import { ConfigurationError } from "../core/errors";
import { PdpError } from "../core/pdp-error";
import type { AuxData, PdpQuery, PolicyDecisionPoint } from "../core/ports";
import type { PdpPrincipal } from "../core/principal";
import { readPlanAnswer } from "./answer";
import { resourceCheck, type Backend, type PrincipalInRequest } from "./backend";
import { Batcher, type BatchKey } from "./batcher";
import { provePdpDenies } from "./canary";
import { clientBackend, type CerbosClient } from "./client-backend";
import type { CreateExchange } from "./exchange";
import { httpBackend } from "./http-backend";
import { parseCerbosOptions, parsePdpUrl, type CerbosOptions, type ParsedCerbosOptions } from "./options";

export interface CerbosPdp extends PolicyDecisionPoint {
  /** Closes the connections to the PDP. Checks that come later open new ones. */
  close(): void;
}

/** Assembles what `cerbos` of each runtime is: they differ in how they reach a URL. @throws {ConfigurationError} naming the wrong option. */
export function connectCerbos(
  createExchange: CreateExchange,
  pdp: string | URL | CerbosClient,
  options: CerbosOptions = {},
): CerbosPdp {
  const parsed = parseCerbosOptions(options);
  if (typeof pdp === "string" || pdp instanceof URL)
    return assemble(httpBackend(createExchange, parsePdpUrl(pdp), parsed.headers), parsed);
  if (typeof (pdp as Partial<CerbosClient> | undefined)?.checkResources !== "function") {
    throw new ConfigurationError(
      "cerbos: give the PDP's URL, or a client of @cerbos/http, @cerbos/grpc or @cerbos/embedded",
    );
  }
  if (options.headers !== undefined) {
    throw new ConfigurationError("cerbos.headers: a client of your own sends its own headers");
  }
  return assemble(clientBackend(pdp), parsed);
}

function assemble(given: Backend, { timeoutMs, policyVersion, scope }: ParsedCerbosOptions): CerbosPdp {
  const keys = new WeakMap<PdpPrincipal, WeakMap<PdpQuery["annotations"] | AuxData, BatchKey>>();
  let proven: Promise<void> | undefined;

  /** The same principal with the same annotations, and the same token, has the same key; that is what lets checks share a request. */
  const keyOf = ({ principal, annotations, auxData }: PdpQuery): BatchKey => {
    let known = keys.get(principal);
    if (!known) keys.set(principal, (known = new WeakMap()));
    let key = known.get(auxData ?? annotations);
    if (key?.annotations !== annotations)
      known.set(auxData ?? annotations, (key = { principal: versioned(principal), annotations, auxData }));
    return key;
  };
  const versioned = (principal: PdpPrincipal): PrincipalInRequest => {
    const scoped = typeof scope === "function" ? scope(principal) : scope;
    if (scoped !== undefined && typeof scoped !== "string") {
      throw new PdpError("pdp_unavailable", "the option `scope` answered something that is not a string");
    }
    return {
      id: principal.id,
      roles: principal.roles,
      attr: principal.attr,
      ...(policyVersion !== undefined && { policyVersion }),
      ...(scoped !== undefined && { scope: scoped }),
    };
  };
  const selection = ({ policyVersion, scope }: PrincipalInRequest) => ({
    ...(policyVersion !== undefined && { policyVersion }),
    ...(scope !== undefined && { scope }),
  });
  /**
   * Whoever answers after an interruption may be somebody else: the canary goes first again. What ran out of the time that the canary had left
   * is none: where each takes more than half of the deadline, the canary would go first again for ever, and every check be late.
   */
  const heedful = async <T>(answer: Promise<T>, given: number): Promise<T> => {
    const started = performance.now();
    try {
      return await answer;
    } catch (error) {
      // Timers count whole milliseconds.
      const ranOut = performance.now() - started >= given - 1;
      const isShort = ranOut && given < timeoutMs / 2;
      if (PdpError.isInstance(error) && error.reason === "pdp_unavailable" && !isShort) proven = undefined;
      throw error;
    }
  };
  const backend: Backend = {
    check: (request, options) => heedful(given.check(request, options), options.timeoutMs),
    plan: (request, options) => heedful(given.plan(request, options), options.timeoutMs),
    close: () => given.close(),
  };
  const prove = (): Promise<void> =>
    (proven ??= provePdpDenies(backend, timeoutMs).catch((error: unknown) => {
      proven = undefined;
      throw error;
    }));
  const batcher = new Batcher(backend, timeoutMs, prove);

  return {
    timeoutMs,
    async check(query, { signal } = {}) {
      const key = keyOf(query);
      const resource = { ...query.resource, ...selection(key.principal) };
      return batcher.add(key, resourceCheck(query.actions, resource), signal);
    },
    async plan(query, { signal } = {}) {
      const deadline = performance.now() + timeoutMs;
      const { principal } = keyOf(query);
      await prove();
      const { kind, attr } = query.resource;
      const [action, ...more] = query.actions;
      if (action === undefined || more.length > 0)
        throw new TypeError("a plan takes exactly one action: the PDP joins several by AND");
      const request = {
        requestId: crypto.randomUUID(),
        principal,
        resource: { kind, attr, ...selection(principal) },
        action,
        annotations: query.annotations,
        auxData: query.auxData,
      };
      const answer = await backend.plan(request, {
        signal: signal ?? new AbortController().signal,
        timeoutMs: Math.max(1, Math.floor(deadline - performance.now())),
      });
      return readPlanAnswer(request, answer);
    },
    close: () => backend.close(),
  };
}
