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
/** A record leaves a member of that name out without a word, and with it the limit. */
const constraints = z
  .custom<object>(
    (given) => !Object.hasOwn(Object(given) as object, "__proto__"),
    "has a path named __proto__",
  )
  .pipe(z.record(path, constraintSchema));
const detailsSchema = z.strictObject({
  type: z.string().refine(isKind, "is no kind: letters, digits and _"),
  identifier: z.string().min(1).max(256).exactOptional(),
  actions: z.array(action).max(100),
  constraints: constraints.exactOptional(),
});

/** To prove that one grant is within another takes the product of their sizes, and an agent may write both. */
const MAX_SIZE = 1000;

/** What a delegation, or a token, is limited to. Empty: nothing is granted. */
export const grantSchema = z
  .array(detailsSchema)
  .max(100)
  .refine((grant) => sizeOf(grant) <= MAX_SIZE, `holds more than ${MAX_SIZE} actions and limits`);
export type Grant = readonly AuthorizationDetails[];

function sizeOf(grant: Grant): number {
  const limits = ({ constraints = {} }: AuthorizationDetails): readonly unknown[] =>
    Object.values(constraints).flatMap((constraint) => [constraint, ...(constraint.enum ?? [])]);
  return grant.flatMap((details) => [...details.actions, ...limits(details)]).length;
}

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
      (prepares(details, hop) && !isHosted(hop)) ||
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

/**
 * What comes before a call is granted with it, as far as policies let him: whoever may call a tool may open its server and list its tools, and whoever
 * may ask a model may see that it is there.
 */
function prepares(details: AuthorizationDetails, target: Target): boolean {
  const { kind, action } = target;
  if (!isAbout(details, target) || details.actions.length === 0) return false;
  if (kind === "llm_model") return action === "list";
  if (!kind.startsWith("mcp_")) return false;
  const [, listed] = /^(tools|prompts|resources)\/list$/.exec(action) ?? [];
  if (listed === undefined) return action === "initialize";
  return details.actions.some((granted) => overlaps(granted, `${listed}/`));
}

/** A model's provider that opens a server calls its tools where nobody sees it: that takes a grant of its own. */
const isHosted = ({ attr }: GrantedHop): boolean => attr.transport === "hosted";

/** Whether every action that `inner` names is named by `outer`. */
function includes(outer: string, inner: string): boolean {
  return outer.endsWith("*") ? inner.startsWith(outer.slice(0, -1)) : outer === inner;
}

/** Whether it names an action that begins so. */
function overlaps(granted: string, beginning: string): boolean {
  return granted.startsWith(beginning) || includes(granted, beginning);
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
  for (const { type, identifier, actions, constraints = {} } of inner) {
    // Limits are compared once an entry, and not once an action.
    const about = outer
      .filter(
        (limit) =>
          limit.type === type &&
          (limit.identifier === undefined ||
            limit.identifier === identifier ||
            (inherits && identifier === undefined)),
      )
      .map(({ actions, constraints: limits = {} }) => ({
        actions,
        reason: whyUnbounded(constraints, limits, inherits),
      }));
    for (const action of actions) {
      const reaching = about.filter(({ actions }) => actions.some((granted) => includes(granted, action)));
      if (reaching.some(({ reason }) => reason === undefined)) continue;
      return `${type}: ${action} ${reaching[0]?.reason ?? "was not granted"}`;
    }
  }
  return undefined;
}

type Constraints = NonNullable<AuthorizationDetails["constraints"]>;

function whyUnbounded(given: Constraints, limits: Constraints, inherits: boolean): string | undefined {
  for (const [path, limit] of Object.entries(limits)) {
    const constraint = Object.hasOwn(given, path) ? given[path] : undefined;
    const missing = inherits ? undefined : "has no limit";
    const reason = constraint ? whyLooser(constraint, limit, inherits) : missing;
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
