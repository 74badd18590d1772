import * as z from "zod";
import type { JsonObject, JsonValue } from "./json";
import { isJsonObject } from "./json";
import { isKind } from "./names";

type Scalar = string | number | boolean;

/** What one value of a call must be. A call without it is not covered. */
export interface GrantConstraint {
  /** Of a number, the least. */
  readonly minimum?: number;
  /** Of a number, the greatest. */
  readonly maximum?: number;
  /** Exactly one of these. */
  readonly enum?: readonly Scalar[];
}

/** What may be done with one kind of resource, in the words of policies (RFC 9396, an entry of `authorization_details`). */
export interface AuthorizationDetails {
  /** The kind of hop: `mcp_payments`, `llm_model`, `tool_files`, … */
  readonly type: string;
  /** The one resource, where its kind does not say which: the canonical id of a model. Default: any of this kind. */
  readonly identifier?: string;
  /** Actions as policies know them; one that ends in `*` covers all that begin like it, as in `tools/call/refund_*`. */
  readonly actions: readonly string[];
  /** By the path of an attribute, as in `arguments.amount_cents`: the greatest amount, the ticket, the tenant. */
  readonly constraints?: Readonly<Record<string, GrantConstraint>>;
}

const scalar = z.union([z.string().max(1024), z.number(), z.boolean()]);
const bound = z.number();
const constraintSchema = z
  .strictObject({
    minimum: bound.exactOptional(),
    maximum: bound.exactOptional(),
    enum: z.array(scalar).max(100).exactOptional(),
  })
  .refine((constraint) => Object.keys(constraint).length > 0, "says nothing")
  .refine(
    ({ minimum, maximum, enum: values }) => !values || (minimum === undefined && maximum === undefined),
    "has both bounds and an enumeration",
  );
/** A name of everything would be no limit. */
const action = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_./:$-]*\*?$/, "is no action, nor the beginning of actions followed by *");
const path = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, "is no path of an attribute, as in arguments.amount_cents");
const detailsSchema = z.strictObject({
  type: z.string().refine(isKind, "is no kind: letters, digits and _"),
  identifier: z.string().min(1).max(256).exactOptional(),
  actions: z.array(action).max(100),
  constraints: z.record(path, constraintSchema).exactOptional(),
});

/** What a delegation, or a token, is limited to. Empty: nothing is granted. */
export const grantSchema = z.array(detailsSchema).max(100);
export type Grant = readonly AuthorizationDetails[];

/** What a grant is held against: a hop, its model under the name that policies know. */
export interface GrantedHop {
  readonly kind: string;
  readonly id: string;
  readonly action: string;
  readonly attr: JsonObject;
}

/** Whether one entry of the grant covers the hop with all that it holds. */
export function covers(grant: Grant, hop: GrantedHop): boolean {
  return grant.some(
    (details) =>
      prepares(details, hop) ||
      (reaches(details, hop) &&
        Object.entries(details.constraints ?? {}).every(([path, constraint]) =>
          meets(valueAt(hop.attr, path), constraint),
        )),
  );
}

/** How far the grant reaches for an action, whatever its attributes: for showing and hiding. */
export function reach(grant: Grant, hop: Omit<GrantedHop, "attr">): "always" | "conditional" | "never" {
  if (grant.some((details) => prepares(details, hop))) return "always";
  const reaching = grant.filter((details) => reaches(details, hop));
  if (reaching.length === 0) return "never";
  return reaching.some(({ constraints = {} }) => Object.keys(constraints).length === 0)
    ? "always"
    : "conditional";
}

type Target = Omit<GrantedHop, "attr">;

function isAbout({ type, identifier }: AuthorizationDetails, { kind, id }: Target): boolean {
  return type === kind && (identifier === undefined || identifier === id);
}

function reaches(details: AuthorizationDetails, target: Target): boolean {
  return isAbout(details, target) && details.actions.some((granted) => includes(granted, target.action));
}

/** Whoever may call a tool may open its server and list its tools, as far as policies let him. */
function prepares(details: AuthorizationDetails, target: Target): boolean {
  if (!isAbout(details, target) || details.actions.length === 0) return false;
  const [, listed] = /^(?:(tools|prompts|resources)\/)?list$/.exec(target.action) ?? [];
  if (listed !== undefined) return details.actions.some((granted) => granted.startsWith(`${listed}/`));
  return target.action === "initialize" || target.action === "list";
}

/** Whether every action that `inner` names is named by `outer`. */
function includes(outer: string, inner: string): boolean {
  return outer.endsWith("*") ? inner.startsWith(outer.slice(0, -1)) : outer === inner;
}

function valueAt(attr: JsonObject, path: string): JsonValue | undefined {
  let value: JsonValue | undefined = attr;
  for (const name of path.split(".")) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function meets(value: JsonValue | undefined, { minimum, maximum, enum: values }: GrantConstraint): boolean {
  if (values) return values.some((allowed) => allowed === value);
  return typeof value === "number" && value >= (minimum ?? -Infinity) && value <= (maximum ?? Infinity);
}

/**
 * Why it is not proven that whatever `child` covers, `parent` covers too; `undefined` when it is. A limit that the child leaves out is the
 * parent's, because a hop is held against every grant of its chain.
 */
export const whyWider = (child: Grant, parent: Grant): string | undefined =>
  whyNotWithin(child, parent, true);

/** Whether the child may do all that the parent may. */
export const isNoNarrower = (child: Grant, parent: Grant): boolean =>
  whyNotWithin(parent, child, false) === undefined;

/** What is left out is taken over from `outer` if it `inherits`, and is no limit otherwise. */
function whyNotWithin(inner: Grant, outer: Grant, inherits: boolean): string | undefined {
  for (const details of inner)
    for (const action of details.actions) {
      const reasons = outer.map((limit) => whyBeyond(details, action, limit, inherits));
      if (reasons.includes(undefined)) continue;
      const reason = reasons.find((reason) => reason !== BEYOND) ?? BEYOND;
      return `${details.type}: ${action} ${reason}`;
    }
  return undefined;
}

const BEYOND = "was not granted";

function whyBeyond(
  { type, identifier, constraints = {} }: AuthorizationDetails,
  action: string,
  outer: AuthorizationDetails,
  inherits: boolean,
): string | undefined {
  if (type !== outer.type || !outer.actions.some((granted) => includes(granted, action))) return BEYOND;
  if (
    outer.identifier !== identifier &&
    outer.identifier !== undefined &&
    !(inherits && identifier === undefined)
  )
    return BEYOND;
  for (const [path, limit] of Object.entries(outer.constraints ?? {})) {
    const given = Object.hasOwn(constraints, path) ? constraints[path] : undefined;
    const reason = given ? whyLooser(given, limit, inherits) : inherits ? undefined : "has no limit";
    if (reason !== undefined) return `with ${path}: ${reason}`;
  }
  return undefined;
}

function whyLooser(inner: GrantConstraint, outer: GrantConstraint, inherits: boolean): string | undefined {
  if (inner.enum) {
    const beyond = inner.enum.find((value) => !meets(value, outer));
    return beyond === undefined ? undefined : `${JSON.stringify(beyond)} was not granted`;
  }
  if (outer.enum) return "bounds cannot be proven to stay within an enumeration";
  const { minimum = -Infinity, maximum = Infinity } = outer;
  const {
    minimum: least = inherits ? minimum : -Infinity,
    maximum: greatest = inherits ? maximum : Infinity,
  } = inner;
  if (least < minimum) return `the minimum is ${minimum}`;
  if (greatest > maximum) return `the maximum is ${maximum}`;
  return undefined;
}
