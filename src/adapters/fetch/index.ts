export { guardFetch, type GuardFetchOptions } from "./guard-fetch";
export type { Fetch } from "../shared/model-api/guarded-fetch";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
export type { ModelApi } from "../shared/model-api/routes";
