/**
 * Guards any SDK that takes a `fetch` and speaks the wire format of OpenAI or Anthropic.
 *
 * @module hopguard/fetch
 */
export { guardFetch, type GuardFetchOptions } from "./guard-fetch";
export type { Fetch } from "../shared/model-api/guarded-fetch";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
export type { ModelApi } from "../shared/model-api/routes";
