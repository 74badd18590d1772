import type { Denial, DenialCode } from "../../../core/denial";
import { AuthorizationDeniedError, ConfigurationError, denialError } from "../../../core/errors";
import type { Session } from "../../../core/session";
import { answerFormat, asksForJson } from "./answers/answer-format";
import type { JointAllow } from "../joint-decision";
import { assertReadable, reviewAnswer } from "./answers/review-answer";
import { filterCatalogue } from "./catalogue-response";
import type { CreatedResources } from "./created-resources";
import { decideHops } from "./decide-hops";
import { hiddenTools, withoutTools } from "./declared-tools";
import { CallUnderWay, headOf } from "./followed-response";
import type { CallContext, ModelCall } from "./model-call";
import type { ModelGuard } from "./options";
import type { DeclaredTool } from "./request-scan";
import type { OutgoingRequest } from "./outgoing-request";
import { readRequest, type ReadRequest } from "./read-request";
import { rememberCreated } from "./remember-created";
import { contentOf } from "./request-content";
import { readBody, UnreadableBodyError, type CheckedBody } from "./request-body";
import { resolveRoute, type ResolvedRequest } from "./resolve-route";
import { UnsupportedRequestError } from "./unsupported-request";
import { askForUsage, withoutUsageChunk } from "./usage/ask-for-usage";
import { forNone } from "./usage/estimate";

export interface GuardedCallOptions {
  readonly guard: ModelGuard;
  readonly session: Session;
  /** Where requests must lead. */
  readonly baseURL: URL;
  /** What policies read as `R.attr.endpoint`. Default: the base URL. */
  readonly endpoint?: string;
  /** What has been created at the provider before. */
  readonly created: CreatedResources;
  /** Default: any, because one client is one caller. */
  readonly conversations?: CallContext["conversations"];
  readonly send: (call: SendableCall) => Promise<Response>;
  /** The response that a denial is. @param cause what was thrown, where nothing could be decided. */
  readonly deny: (denial: Denial, cause: unknown) => Response;
}

/** A request that was checked, in the form in which it was checked. */
export interface SendableCall {
  readonly outgoing: OutgoingRequest;
  readonly body: CheckedBody;
  /** The signed word on it, where somebody wants one. */
  readonly assertion: string | undefined;
  /** Ends it: the caller's own, or also ours. */
  readonly signal: AbortSignal | undefined;
  /** `undefined` for a catalogue, which is decided when it is answered. */
  readonly decision: JointAllow | undefined;
}

/** A request that may be sent. */
interface AllowedRequest extends ReadRequest {
  readonly decision: JointAllow;
  /** The provider was asked to say what the answer uses, which the caller has not done. */
  readonly asksForUsage: boolean;
  readonly assertion: string | undefined;
}

/**
 * Decides a request before it is sent, and follows what it is answered with. What it cannot read, or does not know, it denies. It throws only what
 * `send` throws, and the reason of an aborted signal.
 */
export function guardedCall({
  guard,
  session,
  baseURL,
  endpoint = baseURL.href.replace(/\/$/, ""),
  created,
  conversations = "any",
  send,
  deny: denialOf,
}: GuardedCallOptions): (read: () => OutgoingRequest) => Promise<Response> {
  const context: CallContext = {
    ...{ guard, created, endpoint, conversations },
    countsUsage: session.countsUsage,
  };

  return async (read) => {
    let outgoing: OutgoingRequest | undefined;
    let call: SendableCall;
    let routed: ResolvedRequest;
    let allowed: AllowedRequest | undefined;
    let underWay: CallUnderWay;
    try {
      outgoing = read();
      routed = resolveRoute(context, baseURL, outgoing);
      if (guard.answers === "check") assertReadable(guard.api, outgoing.url);
      const body = await readBody(outgoing, routed.route, guard.limits);
      if (routed.route.kind === "catalogue") await proveAlive(outgoing);
      else allowed = await authorizeCall(routed, body, outgoing);
      underWay = new CallUnderWay(allowed?.decision ?? listing(session), outgoing.signal);
      call = {
        outgoing,
        body: allowed?.body ?? body,
        assertion: allowed?.assertion,
        signal: underWay.signal,
        decision: allowed?.decision,
      };
    } catch (error) {
      return deny(error, outgoing);
    }
    let response: Response;
    try {
      response = await send(call);
      if (allowed) await rememberCreated(context, routed, allowed, response, underWay.signal);
      response = underWay.follow(outgoing.method === "HEAD" ? headOf(response) : response);
    } catch (error) {
      underWay.failed();
      // Authority was withdrawn before the provider had answered.
      if (underWay.denial) return deny(denialError(underWay.denial), outgoing);
      throw error;
    }
    if (allowed)
      return review(outgoing, allowed, allowed.asksForUsage ? withoutUsageChunk(response) : response);
    try {
      return await filterCatalogue(session, response, outgoing.signal);
    } catch (error) {
      return deny(error, outgoing);
    }
  };

  /** What the request is, and the body to send, once every hop of it is allowed. */
  async function authorizeCall(
    routed: ResolvedRequest,
    given: CheckedBody,
    outgoing: OutgoingRequest,
  ): Promise<AllowedRequest> {
    const { method, signal } = outgoing;
    const read = await readRequest(context, routed, method, given, signal);
    const { call, body } = read;
    const { isLookUp: lookUp = false } = call;
    // All at once, so that the checks share a request to the PDP.
    const hiding = hiddenTools(guard, session, call.declared?.tools ?? [], signal);
    hiding.catch(() => undefined);
    const content = contentOf(body);
    // The lines of a batch's file are reserved for when they are run.
    const runsNothing = routed.route.kind === "upload" || RUN_NOTHING.has(call.action);
    const hops = session.countsUsage && runsNothing ? call.hops.map(forNone) : call.hops;
    const decision = await decideHops(session, hops, { ...(signal && { signal }), content, lookUp });
    if (!decision) throw new UnsupportedRequestError("The request is no hop that could be decided.");
    try {
      const shown = await withoutHidden(read, await hiding, outgoing);
      const asking = session.countsUsage ? askingForUsage(shown.body, outgoing) : undefined;
      const assertion = lookUp ? undefined : await assertionOf(decision);
      return {
        ...shown,
        ...(asking && { body: asking }),
        asksForUsage: asking !== undefined,
        assertion,
        decision,
      };
    } catch (error) {
      decision.settle("failed");
      throw error;
    }
  }

  async function assertionOf(decision: JointAllow): Promise<string | undefined> {
    if (guard.audience === undefined) return undefined;
    return decision.assertion(guard.audience).catch((cause: unknown) => {
      throw new UnsupportedRequestError("The call could not be asserted.", { cause });
    });
  }

  /** The body of a chat stream that asks what the answer has used; `undefined` where it needs no asking. */
  function askingForUsage(body: CheckedBody, outgoing: OutgoingRequest): CheckedBody | undefined {
    const isChat = answerFormat(guard.api, outgoing.url) === "chat";
    if (guard.streamUsage === "leave" || body.kind !== "json" || !isChat || isSigned(outgoing))
      return undefined;
    const value = askForUsage(body.value);
    return value && { kind: "json", value, text: JSON.stringify(value) };
  }

  async function withoutHidden(
    read: ReadRequest,
    hidden: readonly DeclaredTool[],
    outgoing: OutgoingRequest,
  ): Promise<ReadRequest> {
    const { call, body } = read;
    const [first] = hidden;
    if (!first) return read;
    const chosen = hidden.find(({ name }) => call.declared?.chosenTools.has(name));
    if (chosen) return refuse(call, `The request's tool_choice names the tool "${chosen.name}"`);
    // A single declaration cannot be taken out.
    const fixed = hidden.some(({ list }) => list === undefined) || isSigned(outgoing);
    if (fixed || body.kind !== "json" || guard.hiddenTools === "deny") {
      return refuse(call, `The request declares the tool "${first.name}"`);
    }
    const value = withoutTools(body.value, hidden);
    const { tools: declared = [], hosted = [] } = call.declared ?? {};
    const tools = declared.filter((tool) => !hidden.includes(tool));
    return {
      call: { ...call, declared: { tools, hosted, chosenTools: new Set() } },
      body: { kind: "json", value, text: JSON.stringify(value) },
    };
  }

  /** The answer, with the tool calls in it that would be denied replaced. */
  async function review(
    outgoing: OutgoingRequest,
    { call: { origin, declared = origin?.declared }, body }: ReadRequest,
    response: Response,
  ): Promise<Response> {
    const format = answerFormat(guard.api, outgoing.url);
    if (guard.answers === "pass" || format === undefined) return response;
    return reviewAnswer(response, {
      ...{ guard, session, format, declared, signal: outgoing.signal },
      isStructured: body.kind === "json" && asksForJson(body.value),
      deny: (problem) => deny(problem, outgoing),
    });
  }

  async function refuse({ model, action }: ModelCall, cause: string): Promise<never> {
    const reason = `${cause}, which may not be used.`;
    const hop = { kind: "llm_model", id: model, action };
    await session.authorize(hop, { refuse: { code: "policy_denied", reason } });
    throw new UnsupportedRequestError(reason);
  }

  /** The list is decided model by model; before the provider is asked, authority must stand and the PDP must answer. */
  async function proveAlive({ signal }: OutgoingRequest): Promise<void> {
    await session.capabilities({ models: ["*"] }, signal ? { signal } : {});
  }

  async function deny(error: unknown, outgoing: OutgoingRequest | undefined): Promise<Response> {
    const denial = AuthorizationDeniedError.isInstance(error)
      ? error.denial
      : await undecidable(error, outgoing);
    outgoing?.signal?.throwIfAborted();
    return denialOf(denial, error);
  }

  /** Denies, and records, what never became a hop. */
  async function undecidable(error: unknown, outgoing: OutgoingRequest | undefined): Promise<Denial> {
    const isUnreadable = error instanceof UnreadableBodyError;
    const code: DenialCode = isUnreadable ? "arguments_invalid" : "unsupported_hop";
    const reason = isUnreadable || error instanceof UnsupportedRequestError ? error.message : undefined;
    // What the operator has to mend is not the caller's to read.
    const detail = error instanceof ConfigurationError ? error.message : undefined;
    const action = outgoing ? `${outgoing.method} ${outgoing.url.pathname}` : "fetch";
    const decision = await session.check(
      { kind: "llm_model", id: guard.provider, action },
      {
        refuse: { code, ...(reason !== undefined && { reason }), ...(detail !== undefined && { detail }) },
      },
    );
    // `refuse` never allows; the type does not know.
    if (decision.effect === "allow") throw error;
    return decision.denial;
  }
}

/** A list is decided when it is there. Until then it ends with the authority of whoever asks for it; no policy speaks of all models at once. */
const listing = (session: Session): Pick<JointAllow, "settle" | "watch"> => ({
  settle: () => undefined,
  watch: (end) => session.watch([], end),
});

/** Of a model that is only shown, and of tokens that are only counted. */
const RUN_NOTHING: ReadonlySet<string> = new Set(["list", "count_tokens"]);

/** What is signed cannot be changed. */
function isSigned({ headers }: OutgoingRequest): boolean {
  return headers.get("authorization")?.startsWith("AWS4-") ?? false;
}
