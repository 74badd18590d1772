import * as z from "zod";
import { isJsonObject } from "../core/json";
import { parseOptions } from "../core/options";
import { RESERVED_ATTRIBUTES } from "../core/principal";
import type { JsonObject, JsonValue, PrincipalInput } from "../index";

/**
 * Where a claim is: its name (`"department"`, `"https://acme.example/tenant"`), or the names on the way to it
 * (`["realm_access", "roles"]`). A name is taken as it is: dots and slashes mean nothing.
 */
export type ClaimPath = string | readonly [string, ...string[]];

/** Roles out of a claim that needs more than its name. */
export interface RolesClaim {
  readonly claim: ClaimPath;
  /** The claim is a text of several roles with this between them, such as a space. Default: it is a list. */
  readonly split?: string;
  /** The roles where the token names none. Default: such a token is refused. */
  readonly default?: readonly string[];
}

/** How claims become a principal. */
export interface ClaimMapping {
  /** Default `"sub"`. Another one must be as unique, and as much in the issuer's hands alone. */
  readonly id?: ClaimPath;
  /** Goes before the id: two issuers may have a user of the same name, and policies tell them apart by it. */
  readonly idPrefix?: string;
  /** A claim that is a list of names. Default `"roles"` (RFC 9068). A token without roles is refused. */
  readonly roles?: ClaimPath | RolesClaim;
  /** Default `"user"`. */
  readonly type?: "user" | "service" | "agent";
  /** What policies read as `P.attr.<name>`. A claim that the token does not have is left out. */
  readonly attr?: Readonly<Record<string, ClaimPath>>;
}

/** Makes a principal of verified claims, where a mapping does not do. What it throws is for the record, and refuses the token. */
export type ClaimFunction = (claims: JsonObject) => PrincipalInput;

const path = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((given): readonly string[] => [given].flat());
const rolesClaim = z.strictObject({
  claim: path,
  split: z.string().min(1).optional(),
  default: z.array(z.string().min(1)).min(1).optional(),
});
const mappingSchema = z.strictObject({
  id: path.prefault("sub"),
  idPrefix: z.string().default(""),
  roles: z.union([path.transform((claim) => ({ claim })), rolesClaim]).prefault("roles"),
  type: z.enum(["user", "service", "agent"]).default("user"),
  attr: z
    .record(
      z.string().refine((name) => !RESERVED_ATTRIBUTES.includes(name), "is a name of the guard's own"),
      path,
    )
    .default({}),
});

/**
 * Reads a mapping, or takes a function as it is.
 *
 * @throws {ConfigurationError} naming what is wrong, below the option's name.
 */
export function parseClaims(given: unknown, option: string): ClaimFunction {
  if (typeof given === "function") return given as ClaimFunction;
  const mapping = parseOptions(mappingSchema, option, given);
  return (claims) => principalOf(claims, mapping);
}

function principalOf(
  claims: JsonObject,
  { id, idPrefix, roles, type, attr }: z.output<typeof mappingSchema>,
): PrincipalInput {
  const name = claimAt(claims, id);
  if (typeof name !== "string" || name === "") throw new Error(`the token has no name in ${id.join(" → ")}`);
  const found = Object.entries(attr).flatMap(([name, path]) => {
    const value = claimAt(claims, path);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { id: idPrefix + name, roles: rolesOf(claims, roles), type, attr: Object.fromEntries(found) };
}

function rolesOf(
  claims: JsonObject,
  { claim, split, default: otherwise }: z.output<typeof rolesClaim>,
): readonly string[] {
  const value = claimAt(claims, claim);
  const where = claim.join(" → ");
  const names = typeof value === "string" && split !== undefined ? value.split(split).filter(Boolean) : value;
  if (names === undefined || (Array.isArray(names) && names.length === 0)) {
    if (otherwise) return otherwise;
    throw new Error(`the token has no roles in ${where}`);
  }
  if (areNames(names)) return names;
  throw new Error(`the token's ${where} is no list of roles`);
}

const areNames = (value: JsonValue | readonly string[]): value is readonly string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string");

function claimAt(claims: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = claims;
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}
