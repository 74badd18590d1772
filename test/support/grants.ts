import fc from "fast-check";
import type { AuthorizationDetails, GrantConstraint } from "hopguard";
import type { Grant, GrantedHop } from "../../src/core/grant";
import type { JsonObject, JsonValue } from "../../src/core/json";

/** A small world, so that what a grant covers can be found by asking about everything that there is. */
const KINDS = ["mcp_a", "tool_b", "llm_model"];
const IDS = ["a", "b"];
const ACTIONS = [
  ...["initialize", "list", "completion", "tools/list", "prompts/list", "prompts/get/x"],
  ...["tools/call/x", "tools/call/xy", "tools/call/y"],
];
const AMOUNTS: readonly (JsonValue | undefined)[] = [undefined, 0, 1, 1.5, 2, 3, "1", true];
const OWNERS: readonly (JsonValue | undefined)[] = [undefined, "ada", 1];

const attributes = AMOUNTS.flatMap((v) =>
  OWNERS.map((owner): JsonObject => ({
    arguments: v === undefined ? {} : { v },
    ...(owner !== undefined && { owner }),
  })),
);

/** Every hop of that world. */
export const EVERY_HOP: readonly GrantedHop[] = KINDS.flatMap((kind) =>
  IDS.flatMap((id) =>
    ACTIONS.flatMap((action) => attributes.map((attr): GrantedHop => ({ kind, id, action, attr }))),
  ),
);

const actions = fc.constantFrom(
  ...[...ACTIONS, "tools/call/x*", "tools/call/*", "tools/*", "t*", "prompts/*", "completion*"],
);

const bounds = fc
  .record(
    { minimum: fc.constantFrom(-1, 0, 1, 2), maximum: fc.constantFrom(0, 1, 2, 3) },
    { requiredKeys: [] },
  )
  .filter((constraint) => Object.keys(constraint).length > 0);
const constraint: fc.Arbitrary<GrantConstraint> = fc.oneof(
  bounds,
  fc.record({ enum: fc.uniqueArray(fc.constantFrom<string | number | boolean>(0, 1, 2, "1", "ada", true)) }),
);
const constraints = fc.dictionary(fc.constantFrom("arguments.v", "owner"), constraint, {
  maxKeys: 2,
  noNullPrototype: true,
});

const details: fc.Arbitrary<AuthorizationDetails> = fc.record(
  {
    type: fc.constantFrom(...KINDS),
    identifier: fc.constantFrom(...IDS),
    actions: fc.uniqueArray(actions, { maxLength: 3 }),
    constraints,
  },
  { requiredKeys: ["type", "actions"] },
);

/** A grant over that world. */
export const grants: fc.Arbitrary<Grant> = fc.array(details, { maxLength: 3 });

/** What becomes of an entry that is handed on: often nothing, or less, and now and then more. */
export const changes: fc.Arbitrary<Partial<AuthorizationDetails>> = fc.record(
  {
    identifier: fc.constantFrom(...IDS),
    actions: fc.uniqueArray(actions, { minLength: 1, maxLength: 2 }),
    constraints,
  },
  { requiredKeys: [] },
);

/** Two grants that have something to do with one another: the second is mostly the first with a few entries changed or left out. */
export const relatedGrants: fc.Arbitrary<readonly [parent: Grant, child: Grant]> = grants.chain((parent) => {
  if (parent.length === 0) return fc.tuple(fc.constant(parent), grants);
  const changed = fc
    .tuple(fc.constantFrom(...parent), changes)
    .map(([given, change]): AuthorizationDetails => ({ ...given, ...change }));
  const related = fc.array(changed, { maxLength: 3 });
  return fc.tuple(fc.constant(parent), fc.oneof({ weight: 3, arbitrary: related }, grants));
});

/** An entry with what it leaves out filled in from one of its parent. */
export function inheriting(child: AuthorizationDetails, parent: AuthorizationDetails): AuthorizationDetails {
  const identifier = child.identifier ?? parent.identifier;
  const limits = { ...parent.constraints };
  for (const [path, given] of Object.entries(child.constraints ?? {}))
    limits[path] = given.enum || limits[path]?.enum ? given : { ...limits[path], ...given };
  return { ...child, ...(identifier !== undefined && { identifier }), constraints: limits };
}

/** Whether a grant permits a hop, written down a second time, from the words of the documentation and for this world. */
export function permits(grant: Grant, { kind, id, action, attr }: GrantedHop): boolean {
  return grant
    .filter(({ type, identifier = id }) => type === kind && identifier === id)
    .some(({ actions, constraints = {} }) => {
      const names = actions.map((granted) => granted.split("*"));
      const isNamed = names.some(([name = "", rest]) =>
        rest === undefined ? name === action : action.startsWith(name),
      );
      const listed = { "tools/list": "tools/", "prompts/list": "prompts/" }[action];
      const isPreparation =
        kind === "llm_model"
          ? action === "list"
          : kind === "mcp_a" &&
            (listed === undefined
              ? action === "initialize"
              : names.some(
                  ([name = "", rest]) => name.startsWith(listed) || (rest === "" && listed.startsWith(name)),
                ));
      if (isPreparation && actions.length > 0) return true;
      const values: Record<string, JsonValue | undefined> = {
        "arguments.v": (attr.arguments as JsonObject).v,
        owner: attr.owner,
      };
      return isNamed && Object.entries(constraints).every(([path, limit]) => isMet(limit, values[path]));
    });
}

function isMet(limit: GrantConstraint, value: JsonValue | undefined): boolean {
  if (limit.enum) return (limit.enum as readonly unknown[]).includes(value);
  if (typeof value !== "number") return false;
  return !(value < (limit.minimum ?? value)) && !(value > (limit.maximum ?? value));
}

/** Whether each entry stays within one of the parent's, as far as all hops of this world show. */
export function staysWithin(child: Grant, parent: Grant): boolean {
  const isWithin = (details: AuthorizationDetails, limit: AuthorizationDetails): boolean => {
    const entry = inheriting(details, limit);
    return EVERY_HOP.every(
      (hop) => hop.kind !== entry.type || !permits([entry], hop) || permits([limit], hop),
    );
  };
  return child.every((details) =>
    details.actions.every((action) =>
      parent.some(
        (limit) => limit.type === details.type && isWithin({ ...details, actions: [action] }, limit),
      ),
    ),
  );
}
