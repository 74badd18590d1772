import { isJsonObject } from "../core/json";
import type { HopSnapshot, JsonObject } from "../index";

/** The arguments of a hop, which a model wrote: any member may be missing, or be anything. Empty for a hop without arguments. */
export function argumentsOf({ attr }: HopSnapshot): JsonObject {
  return isJsonObject(attr.arguments) ? attr.arguments : {};
}
