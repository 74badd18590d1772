import type { ModelGuard } from "./options";
import type { StoredObject } from "./request-scan";
import { UnsupportedRequestError } from "./unsupported-request";

/**
 * The model that a request is for: of its URL, its body, what is stored at the provider, or the option `defaultModels`.
 *
 * @param named what the body says, which should be one string or nothing.
 * @throws {UnsupportedRequestError} for none, for two, and for what is stored and not admitted.
 */
export function mainModel(
  guard: ModelGuard,
  action: string,
  urlModel: string | undefined,
  named: readonly unknown[],
  stored: readonly StoredObject[],
): string {
  const models = stored.map((object) => storedModel(guard, object));
  if (named.length > 1) throw new UnsupportedRequestError("The request names its model more than once.");
  const [bodyModel] = named;
  if (bodyModel !== undefined && typeof bodyModel !== "string")
    throw new UnsupportedRequestError("The request's model is not a string.");
  if (urlModel !== undefined && bodyModel !== undefined && urlModel !== bodyModel) {
    throw new UnsupportedRequestError("The endpoint and the body of the request name different models.");
  }
  const model = urlModel ?? bodyModel ?? models[0] ?? guard.defaultModels.get(action);
  if (model === undefined) {
    throw new UnsupportedRequestError(
      `The request names no model; the option \`defaultModels\` says which one the provider takes: { ${action}: "…" }.`,
    );
  }
  return model;
}

/** The model that runs behind an id, as the operator says. @throws {UnsupportedRequestError} naming the option. */
export function storedModel(guard: ModelGuard, { option, id }: StoredObject): string {
  const model = guard[option].get(id);
  if (model !== undefined) return model;
  const what = option === "prompts" ? "A stored prompt" : "An assistant or a stored agent";
  throw new UnsupportedRequestError(
    `${what} brings a model and tools that the guard cannot see; the option \`${option}\` admits it by its id${option === "prompts" ? "" : " or name"}.`,
  );
}
