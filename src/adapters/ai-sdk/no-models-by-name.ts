import { ConfigurationError } from "../../core/errors";

const refuse = (modelId: string): never => {
  throw new ConfigurationError(
    `The model ${JSON.stringify(modelId)} was asked for by its name alone, and would pass the guard by: take it from a guarded provider`,
  );
};

/**
 * A provider of no models. `globalThis.AI_SDK_DEFAULT_PROVIDER = noModelsByName` keeps a model that somebody asks for by its name alone (as `model`,
 * or in `prepareStep`) from reaching the gateway that the AI SDK takes by default. Each of its functions throws a {@link ConfigurationError}.
 */
export const noModelsByName = Object.freeze({
  specificationVersion: "v3" as const,
  /** Models that answer in text. */
  languageModel: refuse,
  /** Models that embed. */
  embeddingModel: refuse,
  /** Models that make images. */
  imageModel: refuse,
  /** Models that transcribe. */
  transcriptionModel: refuse,
  /** Models that speak. */
  speechModel: refuse,
  /** Models that rank. */
  rerankingModel: refuse,
  /** Models that make videos. */
  videoModel: refuse,
});
