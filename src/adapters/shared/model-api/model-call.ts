import type { Hop } from "../../../core/hop";
import { assertOwnConversation, continuedCall, carriedHops } from "./continued-call";
import type { CreatedResources } from "./created-resources";
import { mainModel } from "./main-model";
import { modelHops } from "./model-hops";
import { namesModel } from "./model-names";
import type { ModelGuard } from "./options";
import type { CheckedBody } from "./request-body";
import { scanRequest, type RequestScan } from "./request-scan";
import type { RoutedRequest } from "./routes";

/** What requests are read with. */
export interface CallContext {
  readonly guard: ModelGuard;
  readonly created: CreatedResources;
  /** The base URL. */
  readonly endpoint: string;
  /** Whether policies want to know how much a request may use up. */
  readonly countsUsage: boolean;
  /** Whose conversations a request may go on with: those that were begun here, or whatever the provider keeps under an id. */
  readonly conversations: "own" | "any";
}

/** A request to a model, and every hop that it is. */
export interface ModelCall {
  readonly model: string;
  readonly action: string;
  readonly hops: readonly Hop[];
  /** What is declared in a body of JSON. */
  readonly declared: Pick<RequestScan, "tools" | "hosted" | "chosenTools"> | undefined;
  /** The earlier call, of which this one may ask for the answer: what that one has declared types the tool calls in it. */
  readonly origin?: ModelCall;
  /** It asks about an earlier call, and is none of its own. */
  readonly isLookUp?: boolean;
  /** The endpoint that the lines of a batch's file are for, without its version. */
  readonly runsAt?: string;
}

/**
 * Reads from a request which models it uses and what runs at the provider on its behalf.
 *
 * @throws {UnsupportedRequestError} when a model cannot be seen, or the endpoint and the body name different ones.
 */
export function readModelCall(
  context: CallContext,
  { route: { action, modelIn, limits }, model: urlModel }: RoutedRequest,
  body: CheckedBody,
): ModelCall {
  const { guard, endpoint } = context;
  if (body.kind !== "json") {
    const model = mainModel(guard, action, urlModel, formModels(body), []);
    return { model, action, declared: undefined, hops: modelHops(guard, endpoint, action, model) };
  }
  const { value } = body;
  const scan = scanRequest(value);
  const named = modelIn ? modelIn(value) : value.model;
  // For the providers, null is a member that is absent.
  const model = mainModel(
    guard,
    action,
    urlModel,
    named === undefined || named === null ? [] : [named],
    scan.stored,
  );
  const hops = modelHops(guard, endpoint, action, model, {
    ...{ body: value, scan, limits },
    ...(context.countsUsage && { length: body.text.length }),
  });
  assertOwnConversation(context, value);
  const before = continuedCall(context, value);
  if (!before) return { model, action, declared: scan, hops };
  const tools = [...scan.tools, ...(before.declared?.tools ?? [])];
  return { model, action, declared: { ...scan, tools }, hops: [...hops, ...carriedHops(before, model)] };
}

function formModels(body: CheckedBody): readonly (string | File)[] {
  if (body.kind !== "form") return [];
  return [...body.form.entries()].filter(([name]) => namesModel(name)).map(([, value]) => value);
}
