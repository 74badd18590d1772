export type { Catalogue } from "./models";
export type { FormField, RecordedRequest } from "./recorded-request";
export type { ToolCall, ToolResult, Turn, TurnRequest, TurnUsage, WireApi } from "./script";
export {
  startLocalProvider,
  type Interception,
  type LocalProvider,
  type LocalProviderOptions,
} from "./server";
