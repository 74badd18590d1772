import { isJsonObject, type JsonObject } from "../../../core/json";
import { CollectedCalls } from "./collected-calls";
import { findRoute, withoutVersion } from "./find-route";
import { readModelCall, type CallContext, type ModelCall } from "./model-call";
import type { ReadRequest } from "./read-request";
import { decodeUtf8, parseObject, UnreadableBodyError, type CheckedBody } from "./request-body";
import type { RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";

/** What OpenAI takes at most. */
const MAX_BYTES = 200 * 1024 * 1024;
/** Bytes that are read before others get their turn: a few milliseconds. */
const BYTES_A_TURN = 256 * 1024;
const FIELDS = /^(?:purpose|file|expires_after\[(?:anchor|seconds)\])$/;
const LINE_MEMBERS = ["custom_id", "method", "url", "body"];
/** A line's body stands one level deeper than the body of a request. */
const LEVELS_ABOVE_BODY = 1;

/** Whether what is uploaded is called a batch's file, in whatever spelling. */
export function isBatchFile(body: CheckedBody): boolean {
  const members: Iterable<readonly [string, unknown]> =
    body.kind === "form" ? body.form.entries() : body.kind === "json" ? Object.entries(body.value) : [];
  return [...members].some(
    ([name, value]) => /purpose/i.test(name) && (typeof value !== "string" || /batch/i.test(value)),
  );
}

/**
 * Reads the file of a batch: each line is a request, and every hop that it would be by itself. What is sent then is built from the bytes that were
 * read.
 *
 * @throws {UnsupportedRequestError} for a line that would be denied by itself, with its number.
 */
export async function readBatchFile(
  context: CallContext,
  routed: RoutedRequest,
  form: FormData,
  signal: AbortSignal | undefined,
): Promise<ReadRequest> {
  const file = form.get("file");
  const isOne = (name: string): boolean => form.getAll(name).length === 1;
  const isKnown = [...form.keys()].every((name) => FIELDS.test(name));
  if (
    !isKnown ||
    !isOne("purpose") ||
    !isOne("file") ||
    form.get("purpose") !== "batch" ||
    !(file instanceof File)
  ) {
    throw new UnreadableBodyError(
      'A batch\'s file is uploaded as one field "file" beside one field "purpose", and nothing else that the guard does not know.',
    );
  }
  if (file.size > MAX_BYTES)
    throw new UnreadableBodyError(`The batch's file is longer than ${MAX_BYTES} bytes.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const call = await readLines(context, routed, bytes, signal);
  const sent = new FormData();
  for (const [name, value] of form) {
    if (typeof value === "string") sent.append(name, value);
    else sent.append(name, new File([bytes], value.name, { type: value.type }));
  }
  return { call, body: { kind: "form", form: sent } };
}

async function readLines(
  context: CallContext,
  { route: { action }, model: urlModel }: RoutedRequest,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<ModelCall> {
  // Lines that differ only in length are one question.
  const ofALine = { ...context, countsUsage: false };
  const calls = new CollectedCalls(context.countsUsage);
  const seen = new Set<string>();
  let runsAt: string | undefined;
  let nextTurn = BYTES_A_TURN;
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      const { custom_id: id, url, body } = readLine(context, bytes.subarray(start, end));
      if (seen.has(id)) throw new UnreadableBodyError("The custom_id is that of an earlier line.");
      seen.add(id);
      runsAt ??= withoutVersion(url);
      if (withoutVersion(url) !== runsAt)
        throw new UnsupportedRequestError("It is for another endpoint than the lines before it.");
      calls.add(
        readModelCall(ofALine, lineRoute(context, action, url, urlModel), {
          kind: "json",
          value: body,
          text: "",
        }),
        end - start,
      );
    } catch (error) {
      throw inLine(error, number);
    }
    start = end + 1;
    if (start < nextTurn) continue;
    nextTurn = start + BYTES_A_TURN;
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
  }
  if (runsAt === undefined) throw new UnsupportedRequestError("A batch's file without lines names no model.");
  return { ...calls.toCall(action), runsAt };
}

interface BatchLine {
  readonly custom_id: string;
  readonly url: string;
  readonly body: JsonObject;
}

function readLine({ guard: { limits } }: CallContext, bytes: Uint8Array): BatchLine {
  const line = parseObject(decodeUtf8(bytes), limits, LEVELS_ABOVE_BODY);
  const { custom_id, method, url, body } = line;
  const isWhole =
    Object.keys(line).length === LINE_MEMBERS.length &&
    LINE_MEMBERS.every((name) => Object.hasOwn(line, name));
  if (!isWhole || method !== "POST" || typeof custom_id !== "string" || typeof url !== "string")
    throw new UnreadableBodyError("Expected custom_id, the method POST, url and body, and nothing else.");
  if (!isJsonObject(body)) throw new UnreadableBodyError("The body is not an object.");
  return { custom_id, url, body };
}

/** The lines of a batch are for endpoints that take JSON, and none of them may be another batch. */
function lineRoute({ guard }: CallContext, action: string, url: string, urlModel?: string): RoutedRequest {
  const found = findRoute(guard.api, "POST", url);
  if (found?.route.kind !== "call" || !found.route.content.includes("json"))
    throw new UnsupportedRequestError("The url is no endpoint that the guard knows.");
  if (found.model !== undefined && urlModel !== undefined && found.model !== urlModel)
    throw new UnsupportedRequestError("The url and the endpoint of the upload name different models.");
  const model = found.model ?? urlModel;
  return { route: { ...found.route, action }, ...(model !== undefined && { model }) };
}

function inLine(error: unknown, number: number): unknown {
  const message = (inner: string): string => `Line ${number} of the batch's file: ${inner}`;
  if (error instanceof UnreadableBodyError) return new UnreadableBodyError(message(error.message));
  if (error instanceof UnsupportedRequestError) return new UnsupportedRequestError(message(error.message));
  return error;
}
