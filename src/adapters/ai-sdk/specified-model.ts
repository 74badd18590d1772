import { ConfigurationError } from "../../core/errors";

/** A model of the specification v3 (`ai` 6) or v4 (`ai` 7), as far as all kinds of models are alike. */
export interface SpecifiedModel {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
}

/** What `ai` 6 and 7 call models and providers by. What is older has requests and answers of other shapes. */
const VERSIONS: readonly unknown[] = ["v3", "v4"];

/** @throws {ConfigurationError} for a model or a provider that was made for another version of `ai`. */
export function assertSpecification(caller: string, what: string, value: unknown): void {
  const version = (value as Partial<SpecifiedModel> | null | undefined)?.specificationVersion as unknown;
  if (VERSIONS.includes(version)) return;
  throw new ConfigurationError(
    `${caller}: expected ${what} of the specification v3 or v4, which ai 6 and 7 have, and not ${version === undefined ? "one without a version" : JSON.stringify(version)}`,
  );
}

/** @throws {ConfigurationError} for what is no model of `ai` 6 or 7. */
export function assertModel(caller: string, value: unknown): asserts value is SpecifiedModel {
  assertSpecification(caller, "a model", value);
  const { provider, modelId } = value as SpecifiedModel;
  if (typeof (provider as unknown) === "string" && typeof (modelId as unknown) === "string") return;
  throw new ConfigurationError(`${caller}: expected a model with a provider and a modelId`);
}

/** The action on `llm_model` that a call of the model is; `undefined` for a kind of model that is not known. */
export function actionOf(model: SpecifiedModel): string | undefined {
  return MARKS.find(([member]) => member in model)?.[1];
}

/** What tells the kinds apart, the most telling first: images, video and speech are all generated. */
const MARKS = [
  ["supportedUrls", "completion"],
  ["doEmbed", "embedding"],
  ["maxImagesPerCall", "image"],
  ["maxVideosPerCall", "video"],
  ["doRerank", "rerank"],
  ["doGenerate", "audio"],
] as const;
