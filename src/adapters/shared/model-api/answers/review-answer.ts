import type { JsonObject } from "../../../../core/json";
import type { StrictJsonOptions } from "../../../../core/strict-json";
import type { ModelApi } from "../routes";
import { UnsupportedRequestError } from "../unsupported-request";
import { answerFormat, type AnswerFormat } from "./answer-format";
import { CallChecks, type CallChecksOptions } from "./call-checks";
import { reviewCompletion } from "./chat";
import { ChatStream } from "./chat-stream";
import { reviewMessage } from "./messages";
import { MessagesStream } from "./messages-stream";
import { OutputReview } from "./responses";
import { ResponsesStream } from "./responses-stream";
import { reviewedStream } from "./reviewed-stream";
import { isEventStream, writeEvent } from "./sse";
import type { StreamReview } from "./stream-review";
import { readObject, unreadable } from "./unknown-places";

interface Dialect {
  /** Resolves to the body with its denied calls replaced, or the same object. */
  readonly body: (body: JsonObject, checks: CallChecks) => Promise<JsonObject>;
  readonly stream: new (checks: CallChecks, reading: StrictJsonOptions) => StreamReview;
  /** How its JSON is read. */
  readonly reading?: StrictJsonOptions;
}

const DIALECTS: Readonly<Record<Exclude<AnswerFormat, "binary">, Dialect>> = {
  // Arguments are a text of their own here, which is read strictly. Around it providers tell seeds and costs of more digits than a double has.
  chat: { body: reviewCompletion, stream: ChatStream, reading: { roundedNumbers: true } },
  responses: { body: (body, checks) => new OutputReview(checks).response(body), stream: ResponsesStream },
  messages: { body: reviewMessage, stream: MessagesStream },
};

export interface ReviewAnswerOptions extends CallChecksOptions {
  readonly format: AnswerFormat;
  /** Records why an answer cannot be read, and makes the response that says so in the provider's way. */
  readonly deny: (problem: unknown) => Promise<Response>;
}

/** @throws {UnsupportedRequestError} before a request is sent whose answer could not be read. */
export function assertReadable(api: ModelApi, url: URL): void {
  if (answerFormat(api, url) === "binary") throw new UnsupportedRequestError(BINARY);
}

const BINARY =
  'The endpoint answers with a binary stream, whose tool calls cannot be checked; the option `answers: "pass"` admits it.';

/**
 * A model's answer as the agent may see it: each tool call in it has been asked about, and a denied one is text that says so. An answer that cannot
 * be read is a denial; a stream that turns out so ends with one.
 */
export async function reviewAnswer(
  response: Response,
  { deny, format, ...options }: ReviewAnswerOptions,
): Promise<Response> {
  const { body, headers: given, ok } = response;
  if (!ok || body === null) return response;
  if (format === "binary") return deny(new UnsupportedRequestError(BINARY));
  const { guard, signal } = options;
  const dialect = DIALECTS[format];
  const checks = new CallChecks(options);
  const reading = { ...guard.limits, ...dialect.reading };
  const contentType = given.get("content-type") ?? "";

  if (isEventStream(given)) {
    const stream = reviewedStream(body, {
      review: new dialect.stream(checks, reading),
      maxLength: guard.limits.maxLength,
      signal,
      refuse: async (problem) => {
        const denial = await deny(problem);
        return writeEvent(await denial.text(), guard.api === "anthropic" ? "error" : undefined);
      },
    });
    return sameWith(response, stream);
  }
  const bytes = await response.arrayBuffer();
  try {
    if (!/^application\/(?:[^;\s]+\+)?json\s*(?:;|$)/i.test(contentType))
      throw unreadable("is neither JSON nor a stream of events");
    const answer = readObject(decodeUtf8(bytes), reading);
    const reviewed = await dialect.body(answer, checks);
    return sameWith(response, reviewed === answer ? bytes : JSON.stringify(reviewed));
  } catch (error) {
    return await deny(error);
  }
}

function sameWith({ status, statusText, headers: given }: Response, body: BodyInit): Response {
  const headers = new Headers(given);
  // The body is plain now, and may have another length.
  for (const name of ["content-length", "content-encoding", "transfer-encoding"]) headers.delete(name);
  return new Response(body, { status, statusText, headers });
}

function decodeUtf8(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw unreadable("is not UTF-8");
  }
}
