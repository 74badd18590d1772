import * as z from "zod";
import { parseOptions } from "../../core/options";
import { parseModelGuardOptions, type ModelGuard, type ModelGuardOptions } from "../shared/model-api/options";

/** What the guards of the AI SDK's models have in common. */
export interface ModelOptions extends Pick<ModelGuardOptions, "tools" | "hiddenTools" | "hostedServers"> {
  /** `R.attr.provider`. Default: what the SDK calls the provider, up to the first dot: `openai` of `openai.responses`. */
  readonly provider?: string;
}

/** The rest of what the guards at `fetch` can be told is about wires, which are not seen here. */
const known = z.strictObject({
  provider: z.unknown(),
  tools: z.unknown(),
  hiddenTools: z.unknown(),
  hostedServers: z.unknown(),
});

/** @throws {ConfigurationError} naming the wrong option. */
export function readModelOptions(caller: string, options: ModelOptions): ModelGuard {
  parseOptions(known.partial(), caller, options);
  // The provider's name is the model's to say; `openai` stands for it until one does.
  return parseModelGuardOptions(caller, "openai", { ...options, answers: "pass" });
}
