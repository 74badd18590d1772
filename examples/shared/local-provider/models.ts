import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import type { Endpoint } from "./endpoint";
import { FaultError } from "./errors";

/** The model ids that each provider lists. A model that is not listed can be called all the same. */
export interface Catalogue {
  readonly openai: readonly string[];
  readonly anthropic: readonly string[];
}

/** What a provider lists that was given no catalogue. */
export const defaultCatalogue: Catalogue = {
  openai: [
    "gpt-4o",
    "gpt-4o-mini",
    "o3",
    "text-embedding-3-small",
    "omni-moderation-latest",
    "gpt-image-1",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-tts",
  ],
  anthropic: ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
};

const released = new Date("2025-09-29T00:00:00Z");

/** `GET /v1/models`, as OpenAI lists them. */
export const openaiModels: Endpoint = ({ catalogue }) =>
  Response.json({ object: "list", data: catalogue.openai.map(openaiModel) });

/** `GET /v1/models/{id}`, as OpenAI describes one. */
export const openaiModelById: Endpoint = ({ catalogue, name }) =>
  Response.json(openaiModel(listed(catalogue.openai, name)));

/** `GET /v1/models`, as Anthropic lists them: all on one page. */
export const anthropicModels: Endpoint = ({ catalogue: { anthropic } }) =>
  Response.json({
    data: anthropic.map(anthropicModel),
    has_more: false,
    first_id: anthropic.at(0) ?? null,
    last_id: anthropic.at(-1) ?? null,
  });

/** `GET /v1/models/{id}`, as Anthropic describes one. */
export const anthropicModelById: Endpoint = ({ catalogue, name }) =>
  Response.json(anthropicModel(listed(catalogue.anthropic, name)));

function listed(ids: readonly string[], id: string | undefined): string {
  if (id !== undefined && ids.includes(id)) return id;
  throw new FaultError({
    status: 404,
    message: `The model '${id ?? ""}' does not exist`,
    code: "model_not_found",
  });
}

function openaiModel(id: string): OpenAI.Model {
  return { id, object: "model", created: released.getTime() / 1000, owned_by: "system" };
}

function anthropicModel(
  id: string,
): Pick<Anthropic.ModelInfo, "id" | "type" | "display_name" | "created_at"> {
  return { type: "model", id, display_name: id, created_at: released.toISOString() };
}
