import { ConfigurationError } from "./errors";

/**
 * The PDP folds `-`, `:`, `/`, `.` and `@` in a resource kind to `_`, so `pay-roll` and `pay_roll` would share one policy. Names that
 * become part of a kind therefore keep to letters that are never folded.
 */
const KIND_PART = /^[a-z0-9_]{1,64}$/;
const KIND = /^[A-Za-z][A-Za-z0-9_]{0,127}$/;
/** Segments of letters, digits and `_.$:-`. No glob characters: a literal `crm_*` would match a rule `crm_*`. */
const ACTION = /^[A-Za-z0-9_.$:-]+(?:\/[A-Za-z0-9_.$:-]+)*$/;
/** MCP's grammar for tools; a slash may stand anywhere. */
const TOOL = /^[A-Za-z0-9_./-]{1,128}$/;
/** Printable ASCII without spaces: `llama3:8b`, Bedrock's ARNs. Cyrillic look-alikes and trailing spaces are other models. */
const MODEL = /^[\x21-\x7e]{1,256}$/;
const FACT = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

export const isKindPart = (name: unknown): name is string => typeof name === "string" && KIND_PART.test(name);
export const isKind = (kind: unknown): kind is string => typeof kind === "string" && KIND.test(kind);
export const isToolName = (name: unknown): name is string => typeof name === "string" && TOOL.test(name);
export const isModelId = (id: unknown): id is string => typeof id === "string" && MODEL.test(id);
export const isFactName = (name: unknown): name is string => typeof name === "string" && FACT.test(name);

export function isAction(action: unknown): action is string {
  if (typeof action !== "string" || action.length > 256) return false;
  // A tool's name may hold slashes wherever MCP allows them; what stands before it is ours.
  const tool = /^(?:tools\/call|prompts\/get)\/(.+)$/.exec(action)?.[1];
  return tool === undefined ? ACTION.test(action) : isToolName(tool);
}

/**
 * Checks a server's, toolset's or agent's name where the operator gives it.
 *
 * @throws {ConfigurationError} naming the option.
 */
export function assertKindPart(name: unknown, option: string): asserts name is string {
  if (isKindPart(name)) return;
  throw new ConfigurationError(
    `${option}: ${JSON.stringify(name)} is not a name for a policy: use 1 to 64 of a-z, 0-9 and _ ` +
      `(the PDP folds other characters to _, so that two names could share one policy)`,
  );
}
