import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { FaultError } from "./errors";

/** A file as it was uploaded, or as a batch wrote it. */
export interface KeptFile {
  readonly file: OpenAI.FileObject;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** A batch of messages, and its results: a line of JSON for each request. */
export interface KeptMessageBatch {
  readonly batch: Anthropic.Messages.MessageBatch;
  readonly results: string;
}

/** What a provider keeps, by id. */
export interface Kept {
  readonly files: Map<string, KeptFile>;
  readonly batches: Map<string, OpenAI.Batch>;
  readonly responses: Map<string, object>;
  readonly messageBatches: Map<string, KeptMessageBatch>;
}

export function nothingKept(): Kept {
  return { files: new Map(), batches: new Map(), responses: new Map(), messageBatches: new Map() };
}

/** @throws {FaultError} 404 for what is not kept. */
export function keptUnder<T>(things: ReadonlyMap<string, T>, id: unknown): T {
  const thing = typeof id === "string" ? things.get(id) : undefined;
  if (thing !== undefined) return thing;
  throw new FaultError({ status: 404, message: `No such object: ${String(id)}` });
}
