import fc from "fast-check";
import type { AuthorizationDetails, GrantConstraint } from "hopguard";
import { describe, expect, it } from "vitest";
import {
  covers,
  grantSchema,
  isNoNarrower,
  reach,
  whyWider,
  type Grant,
  type GrantedHop,
} from "../../src/core/grant";
import type { JsonObject, JsonValue } from "../../src/core/json";
import { EVERY_HOP, grants, inheriting, permits, relatedGrants } from "../support/grants";

const entry = (
  actions: readonly string[],
  constraints?: AuthorizationDetails["constraints"],
  identifier?: string,
): AuthorizationDetails => ({
  type: "mcp_a",
  actions,
  ...(constraints && { constraints }),
  ...(identifier !== undefined && { identifier }),
});
const covered = (grant: Grant): readonly GrantedHop[] => EVERY_HOP.filter((hop) => covers(grant, hop));

describe("what a grant covers", () => {
  const call = (attr: JsonObject, action = "tools/call/refund"): GrantedHop => ({
    kind: "mcp_a",
    id: "a",
    action,
    attr,
  });
  const limited = (constraint: GrantConstraint, path = "arguments.v"): Grant => [
    entry(["tools/call/refund"], { [path]: constraint }),
  ];

  it.each<[string, GrantConstraint, JsonValue | undefined, boolean]>([
    ["the greatest amount", { maximum: 5 }, 5, true],
    ["a little more", { maximum: 5 }, 5.000001, false],
    ["the least amount", { minimum: 5 }, 5, true],
    ["a little less", { minimum: 5 }, 4.999999, false],
    ["-0 where 0 is the least", { minimum: 0 }, -0, true],
    ["-0 where 0 is listed", { enum: [0] }, -0, true],
    ["1e308 within a maximum of 1e308", { maximum: 1e308 }, 1e308, true],
    ["1e308 beyond a smaller maximum", { maximum: 1e307 }, 1e308, false],
    ["a number as text", { maximum: 5 }, "4", false],
    ["true, which is 1 in some languages", { maximum: 5 }, true, false],
    ["false, which is 0 in some languages", { enum: [0] }, false, false],
    ["null, which is less than anything in some languages", { maximum: 5 }, null, false],
    ["a list of one", { maximum: 5 }, [4], false],
    ["a list of one that is listed", { enum: ["x"] }, ["x"], false],
    ["an object", { maximum: 5 }, { valueOf: 4 }, false],
    ["nothing, where there is a bound", { maximum: 5 }, undefined, false],
    ["nothing, where values are listed", { enum: ["x"] }, undefined, false],
    ["null, where values are listed", { enum: ["null"] }, null, false],
    ["anything, where no value is listed", { enum: [] }, "x", false],
    ["the number, where the text is listed", { enum: ["1"] }, 1, false],
    ["the text, where the number is listed", { enum: [1] }, "1", false],
    ["another case", { enum: ["ada"] }, "Ada", false],
    ["a Cyrillic letter", { enum: ["ada"] }, "аda", false],
    ["a composed letter where a decomposed one is listed", { enum: ["e\u0301"] }, "\u00e9", false],
    ["a space behind it", { enum: ["ada"] }, "ada ", false],
    ["what is listed", { enum: ["ada", true, 1] }, true, true],
    ["bounds that nothing meets", { minimum: 2, maximum: 1 }, 1.5, false],
  ])("%s", (_, constraint, v, expected) => {
    const attr = { arguments: v === undefined ? {} : { v } };
    expect(covers(limited(constraint), call(attr))).toBe(expected);
  });

  it.each<[string, string, JsonObject]>([
    ["a list on the way", "arguments.0", { arguments: [1] }],
    ["the length of a list", "arguments.length", { arguments: [1] }],
    ["the length of a text", "arguments.v.length", { arguments: { v: "x" } }],
    ["null on the way", "arguments.v", { arguments: null }],
    ["an inherited member", "arguments.constructor.length", { arguments: {} }],
    ["an inherited member of the attributes", "toString.length", {}],
    ["a member that a prototype has", "arguments.v", { arguments: Object.create({ v: 1 }) as JsonObject }],
    ["the prototype", "arguments.__proto__", { arguments: {} }],
    ["a name with a dot in it", "arguments.v", { "arguments.v": 1 }],
  ])("a limit on %s is never met", (_, path, attr) => {
    expect(covers(limited({ minimum: 0, maximum: 5 }, path), call(attr))).toBe(false);
    expect(covers(limited({ enum: [1, 0] }, path), call(attr))).toBe(false);
  });

  it("own members are found by any name", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty", "length"]) {
      const grant = limited({ maximum: 5 }, `arguments.${name}`);
      expect(covers(grant, call({ arguments: { [name]: 5 } }))).toBe(true);
      expect(covers(grant, call({ arguments: { [name]: 6 } }))).toBe(false);
    }
  });

  it("every limit of one entry must be met, and entries are not mixed", () => {
    const both: Grant = [entry(["tools/call/x"], { a: { maximum: 1 }, b: { maximum: 1 } })];
    expect(covers(both, call({ a: 1, b: 2 }, "tools/call/x"))).toBe(false);
    const apart: Grant = [
      entry(["tools/call/x"], { a: { maximum: 1 } }),
      entry(["tools/call/y"], { a: { maximum: 9 } }),
    ];
    expect(covers(apart, call({ a: 2 }, "tools/call/x"))).toBe(false);
    expect(covers(apart, call({ a: 2 }, "tools/call/y"))).toBe(true);
  });

  it.each<[string, string, string, boolean]>([
    ["the action itself", "tools/call/x", "tools/call/x", true],
    ["an action that begins with it", "tools/call/x", "tools/call/xy", false],
    ["another case", "tools/call/x", "tools/call/X", false],
    ["what begins so", "tools/call/x*", "tools/call/xy", true],
    ["the beginning itself", "tools/call/x*", "tools/call/x", true],
    ["what begins otherwise", "tools/call/x*", "tools/call/ax", false],
    ["a dot, which is no pattern", "tools/call/a.c", "tools/call/abc", false],
    ["a plus, which is none either", "tools/call/x$", "tools/call/x", false],
    ["a name like a method's", "tools/call/constructor", "constructor", false],
  ])("of an action: %s", (_, granted, action, expected) => {
    expect(covers([entry([granted])], call({}, action))).toBe(expected);
  });

  it("kinds and identifiers are matched exactly", () => {
    const grant: Grant = [entry(["x"], undefined, "a")];
    const hop = { kind: "mcp_a", id: "a", action: "x", attr: {} };
    expect(covers(grant, hop)).toBe(true);
    for (const other of [
      { kind: "MCP_a" },
      { kind: "mcp_A" },
      { kind: "mcp_" },
      { id: "A" },
      { id: "" },
      { id: "а" },
    ])
      expect(covers(grant, { ...hop, ...other })).toBe(false);
  });

  it("nothing, where nothing is granted", () => {
    expect(covered([])).toEqual([]);
    expect(covered([entry([])])).toEqual([]);
    expect(covered([entry([], { "arguments.v": { maximum: 1 } })])).toEqual([]);
  });

  it("whoever may call a tool may open its server and list tools, and not prompts", () => {
    const grant: Grant = [entry(["tools/call/x"], { "arguments.v": { maximum: 1 } })];
    for (const action of ["initialize", "tools/list"]) expect(covers(grant, call({}, action))).toBe(true);
    for (const action of ["list", "prompts/list", "resources/list", "tools/call/list", "tools/lists", "ping"])
      expect(covers(grant, call({}, action))).toBe(false);
    expect(covers(grant, { ...call({}, "initialize"), kind: "mcp_b" })).toBe(false);
  });

  it("whoever may ask a model may see it in a list, and nothing else may be listed unasked", () => {
    const of = (type: string): Grant => [{ type, identifier: "a", actions: ["read"] }];
    const list = (kind: string, id = "a") => ({ kind, id, action: "list", attr: {} });
    expect(covers(of("llm_model"), list("llm_model"))).toBe(true);
    expect(covers(of("llm_model"), list("llm_model", "b"))).toBe(false);
    for (const kind of ["ledger", "tool_b", "a2a_b", "mcp_a"])
      expect(covers(of(kind), list(kind))).toBe(false);
    for (const kind of ["ledger", "tool_b", "a2a_b", "llm_model"])
      expect(covers(of(kind), { ...list(kind), action: "initialize" })).toBe(false);
  });

  it("no server is opened by a model's provider unless that was granted", () => {
    const hosted = call({ transport: "hosted" }, "initialize");
    expect(covers([entry(["tools/call/*"])], hosted)).toBe(false);
    expect(covers([entry(["tools/call/*"]), entry(["initialize"])], hosted)).toBe(true);
  });

  it("is what its words say, for every hop of a small world", () => {
    fc.assert(
      fc.property(grants, (grant) => {
        expect(EVERY_HOP.filter((hop) => covers(grant, hop) !== permits(grant, hop))).toEqual([]);
      }),
    );
  });

  it("shows what it covers for any attributes, hides what it covers for none", () => {
    fc.assert(
      fc.property(grants, (grant) => {
        const seen = new Map<string, Set<boolean>>();
        for (const hop of EVERY_HOP) {
          const key = JSON.stringify([hop.kind, hop.id, hop.action, reach(grant, hop)]);
          seen.set(key, (seen.get(key) ?? new Set()).add(covers(grant, hop)));
        }
        for (const [key, answers] of seen) {
          if (key.endsWith('"never"]')) expect([...answers], key).toEqual([false]);
          if (key.endsWith('"always"]')) expect([...answers], key).toEqual([true]);
        }
      }),
    );
  });
});

/** The child with what it leaves out filled in from each entry of the parent that it is proven to be within. */
function withParentsLimits(child: Grant, parent: Grant): Grant {
  return child.flatMap((details) =>
    details.actions.flatMap((action) =>
      parent
        .filter((limit) => whyWider([{ ...details, actions: [action] }], [limit]) === undefined)
        .map((limit) => inheriting({ ...details, actions: [action] }, limit)),
    ),
  );
}

describe("a grant that is proven to be within its parent's", () => {
  it("covers nothing that the parent's does not, once what it leaves out is taken over", () => {
    const seen = { proven: 0, refused: 0, strictlyLess: 0 };
    fc.assert(
      fc.property(relatedGrants, ([parent, child]) => {
        if (whyWider(child, parent) !== undefined) {
          seen.refused++;
          return;
        }
        seen.proven++;
        const [ofChild, ofParent] = [covered(withParentsLimits(child, parent)), new Set(covered(parent))];
        expect(ofChild.filter((hop) => !ofParent.has(hop))).toEqual([]);
        if (ofChild.length > 0 && ofChild.length < ofParent.size) seen.strictlyLess++;
      }),
      { numRuns: 4000 },
    );
    for (const times of Object.values(seen)) expect(times, JSON.stringify(seen)).toBeGreaterThan(50);
  });

  it("does not depend on the order of anything", () => {
    const turned = (grant: Grant): Grant =>
      grant.toReversed().map((details) => ({
        ...details,
        actions: details.actions.toReversed(),
        ...(details.constraints && {
          constraints: Object.fromEntries(Object.entries(details.constraints).toReversed()),
        }),
      }));
    fc.assert(
      fc.property(relatedGrants, ([parent, child]) => {
        const isProven = whyWider(child, parent) === undefined;
        expect(whyWider(turned(child), turned(parent)) === undefined).toBe(isProven);
        expect(isNoNarrower(turned(child), turned(parent))).toBe(isNoNarrower(child, parent));
      }),
    );
  });

  it("may be the parent's own, an empty one, or any entry of it; and so on down the chain", () => {
    fc.assert(
      fc.property(grants, (parent) => {
        expect(whyWider(parent, parent)).toBeUndefined();
        expect(whyWider([], parent)).toBeUndefined();
        for (const details of parent) expect(whyWider([details], parent)).toBeUndefined();
      }),
    );
  });

  it("grants nothing where the parent grants nothing", () => {
    fc.assert(
      fc.property(grants, (child) => {
        const isEmpty = child.every(({ actions }) => actions.length === 0);
        expect(whyWider(child, []) === undefined).toBe(isEmpty);
      }),
    );
  });
});

/** Every entry about the same kind that these parts make. */
const parts = {
  identifiers: [undefined, "a"],
  actions: [["tools/call/x"], ["tools/call/x", "tools/call/xy"], ["tools/call/x*"], ["tools/call/*"]],
  constraints: [
    undefined,
    { maximum: 1 },
    { maximum: 2 },
    { minimum: 1 },
    { minimum: 1, maximum: 2 },
    { enum: [1] },
    { enum: [1, 2] },
    { enum: ["1"] },
  ] satisfies (GrantConstraint | undefined)[],
};
const everyEntry = parts.identifiers.flatMap((identifier) =>
  parts.actions.flatMap((actions) =>
    parts.constraints.map((limit) => entry(actions, limit && { "arguments.v": limit }, identifier)),
  ),
);
/** One more than the grants name, so that what begins like them is not all that there is. */
const more = EVERY_HOP.filter(({ action }) => action === "tools/call/xy").map((hop) => ({
  ...hop,
  action: "tools/call/xz",
}));
const isWithin = (inner: Grant, outer: Grant): boolean =>
  [...EVERY_HOP, ...more].every((hop) => !covers(inner, hop) || covers(outer, hop));

describe("by all pairs of small grants,", () => {
  const pairs = everyEntry.flatMap((one) => everyEntry.map((other) => [[one], [other]] as const));

  it("one is no narrower exactly where it covers all that the other does", () => {
    for (const [child, parent] of pairs)
      expect(isNoNarrower(child, parent), JSON.stringify({ child, parent })).toBe(isWithin(parent, child));
  });

  it("one that says all that its parent says is proven exactly where it covers no more", () => {
    const saysAll = ([child]: Grant, [parent]: Grant): boolean => {
      const given = child?.constraints?.["arguments.v"];
      const limit = parent?.constraints?.["arguments.v"];
      const limits = Object.keys(limit ?? {});
      return (
        (parent?.identifier === undefined || child?.identifier !== undefined) &&
        (given?.enum !== undefined || limits.every((bound) => bound in (given ?? {})))
      );
    };
    const explicit = pairs.filter(([child, parent]) => saysAll(child, parent));
    expect(explicit.length).toBeGreaterThan(1000);
    for (const [child, parent] of explicit)
      expect(whyWider(child, parent) === undefined, JSON.stringify({ child, parent })).toBe(
        isWithin(child, parent),
      );
  });
});

describe("of all that an agent has", () => {
  it("what is no narrower covers everything, in several entries too", () => {
    let proven = 0;
    fc.assert(
      fc.property(relatedGrants, ([parent, child]) => {
        if (!isNoNarrower(child, parent)) return;
        proven++;
        expect(isWithin(parent, child)).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(proven).toBeGreaterThan(100);
  });

  it("the same in two entries is not less", () => {
    const [one, two] = [entry(["tools/call/x"]), entry(["tools/call/y"])];
    expect(isNoNarrower([one, two], [entry(["tools/call/x", "tools/call/y"])])).toBe(true);
    expect(isNoNarrower([one], [entry(["tools/call/x", "tools/call/y"])])).toBe(false);
  });
});

describe("what is wider is refused, with its place", () => {
  const amount = (constraint: GrantConstraint) => ({ "arguments.v": constraint });

  it.each<[string, AuthorizationDetails, AuthorizationDetails, string]>([
    ["another kind", { ...entry(["x"]), type: "mcp_b" }, entry(["x"]), "mcp_b: x was not granted"],
    [
      "another case of the kind",
      { ...entry(["x"]), type: "MCP_a" },
      entry(["x"]),
      "MCP_a: x was not granted",
    ],
    ["another action", entry(["x", "y"]), entry(["x"]), "mcp_a: y was not granted"],
    [
      "a wider beginning",
      entry(["tools/call/*"]),
      entry(["tools/call/x*"]),
      "mcp_a: tools/call/* was not granted",
    ],
    ["a beginning of one action", entry(["x*"]), entry(["x"]), "mcp_a: x* was not granted"],
    ["another identifier", entry(["x"], {}, "b"), entry(["x"], {}, "a"), "mcp_a: x was not granted"],
    [
      "a greater maximum",
      entry(["x"], amount({ maximum: 6 })),
      entry(["x"], amount({ maximum: 5 })),
      "mcp_a: x with arguments.v: the maximum is 5",
    ],
    [
      "a smaller minimum",
      entry(["x"], amount({ minimum: 0 })),
      entry(["x"], amount({ minimum: 1 })),
      "mcp_a: x with arguments.v: the minimum is 1",
    ],
    [
      "-1 where the least is -0",
      entry(["x"], amount({ minimum: -1 })),
      entry(["x"], amount({ minimum: -0 })),
      "mcp_a: x with arguments.v: the minimum is 0",
    ],
    [
      "another value",
      entry(["x"], amount({ enum: ["a", "b"] })),
      entry(["x"], amount({ enum: ["a"] })),
      'mcp_a: x with arguments.v: "b" was not granted',
    ],
    [
      "text for a number",
      entry(["x"], amount({ enum: ["1"] })),
      entry(["x"], amount({ enum: [1] })),
      'mcp_a: x with arguments.v: "1" was not granted',
    ],
    [
      "a value beyond bounds",
      entry(["x"], amount({ enum: [4, 6] })),
      entry(["x"], amount({ maximum: 5 })),
      "mcp_a: x with arguments.v: 6 was not granted",
    ],
    [
      "text within bounds",
      entry(["x"], amount({ enum: ["4"] })),
      entry(["x"], amount({ maximum: 5 })),
      'mcp_a: x with arguments.v: "4" was not granted',
    ],
    [
      "true within bounds",
      entry(["x"], amount({ enum: [true] })),
      entry(["x"], amount({ maximum: 5 })),
      "mcp_a: x with arguments.v: true was not granted",
    ],
    [
      "bounds within an enumeration, which cannot be decided",
      entry(["x"], amount({ minimum: 1, maximum: 1 })),
      entry(["x"], amount({ enum: [1] })),
      "mcp_a: x with arguments.v: bounds cannot be proven to stay within an enumeration",
    ],
    [
      "a bound within nothing",
      entry(["x"], amount({ maximum: 0 })),
      entry(["x"], amount({ enum: [] })),
      "mcp_a: x with arguments.v: bounds cannot be proven to stay within an enumeration",
    ],
  ])("%s", (_, child, parent, reason) => {
    expect(whyWider([child], [parent])).toBe(reason);
  });

  it("two entries that only together cover it do not", () => {
    const parent = [entry(["x"], amount({ maximum: 5 })), entry(["x"], amount({ minimum: 5 }))];
    expect(whyWider([entry(["x"], amount({ minimum: 0, maximum: 9 }))], parent)).toMatch(/the maximum is 5/);
  });

  it("the entry that comes nearest is named, wherever it stands", () => {
    const parent = [{ ...entry(["x"]), type: "mcp_b" }, entry(["x"], amount({ maximum: 5 })), entry(["y"])];
    expect(whyWider([entry(["y"]), entry(["x"], amount({ maximum: 6 }))], parent)).toBe(
      "mcp_a: x with arguments.v: the maximum is 5",
    );
  });

  it("a limit by the name of an inherited member is a limit", () => {
    for (const path of ["constructor", "toString", "hasOwnProperty"]) {
      const parent = [entry(["x"], { [path]: { maximum: 5 } })];
      expect(whyWider([entry(["x"], { [path]: { maximum: 6 } })], parent)).toMatch(/the maximum is 5/);
      expect(whyWider([entry(["x"], {})], parent)).toBeUndefined();
      expect(isNoNarrower([entry(["x"], { [path]: { maximum: 4 } })], [entry(["x"])])).toBe(false);
    }
  });

  it("grants as long as they may be are compared entry by entry", () => {
    const long = Array.from({ length: 10 }, (_, index) =>
      entry(
        Array.from({ length: 50 }, (_, tool) => `tools/call/t${index}_${tool}`),
        amount({ enum: Array.from({ length: 49 }, (_, value) => value) }),
      ),
    );
    expect(grantSchema.safeParse(long).success).toBe(true);
    expect(whyWider(long, long)).toBeUndefined();
    expect(isNoNarrower(long, long)).toBe(true);
    expect(isNoNarrower(long.slice(1), long)).toBe(false);
    const oneMore = [...long, entry(["x"])];
    expect(whyWider(oneMore, long)).toBe("mcp_a: x was not granted");
    expect(grantSchema.safeParse(oneMore).success).toBe(false);
  });
});

describe("what cannot be read grants nothing", () => {
  const valid = { type: "mcp_a", actions: ["x"] };
  const withLimit = (limit: unknown, path = "arguments.v") => ({ ...valid, constraints: { [path]: limit } });
  const json = (text: string): unknown => JSON.parse(text);

  it.each<[string, unknown]>([
    ["no list", valid],
    ["text", "mcp_a"],
    ["null", null],
    ["an entry that is null", [null]],
    ["no kind", [{ actions: ["x"] }]],
    ["a kind with a glob", [{ ...valid, type: "mcp_*" }]],
    ["every kind", [{ ...valid, type: "*" }]],
    ["a kind that the PDP folds", [{ ...valid, type: "mcp_pay-roll" }]],
    ["a kind with a Cyrillic letter", [{ ...valid, type: "mcp_а" }]],
    ["a kind with a newline", [{ ...valid, type: "mcp_a\n" }]],
    ["__proto__ as a kind", [{ ...valid, type: "__proto__" }]],
    ["no actions", [{ type: "mcp_a" }]],
    ["one action in place of a list", [{ ...valid, actions: "x" }]],
    ["every action", [{ ...valid, actions: ["*"] }]],
    ["every action, twice", [{ ...valid, actions: ["**"] }]],
    ["every action of a root", [{ ...valid, actions: ["/*"] }]],
    ["a glob in the middle", [{ ...valid, actions: ["tools/*/x"] }]],
    ["a glob at the beginning", [{ ...valid, actions: ["*x"] }]],
    ["a question mark", [{ ...valid, actions: ["tools/call/?"] }]],
    ["a class of characters", [{ ...valid, actions: ["tools/call/[a-z]"] }]],
    ["braces", [{ ...valid, actions: ["tools/call/{a,b}"] }]],
    ["an empty action", [{ ...valid, actions: [""] }]],
    ["an action with a space", [{ ...valid, actions: ["tools/call/ x"] }]],
    ["an action with a newline behind it", [{ ...valid, actions: ["x\n"] }]],
    ["an action with another script's letter", [{ ...valid, actions: ["tools/call/сrm"] }]],
    ["an identifier that is a number", [{ ...valid, identifier: 1 }]],
    ["an empty identifier", [{ ...valid, identifier: "" }]],
    ["an identifier that is there and undefined", [{ ...valid, identifier: undefined }]],
    ["members of other dialects", [{ ...valid, locations: ["https://x.example"] }]],
    ["a constraint that says nothing", [withLimit({})]],
    ["a constraint that is a number", [withLimit(5)]],
    ["a constraint of another name", [withLimit({ max: 5 })]],
    ["a misspelt bound beside a good one", [withLimit({ maximum: 5, Minimum: 1 })]],
    ["a maximum as text", [withLimit({ maximum: "5" })]],
    ["an infinite maximum", [withLimit({ maximum: Infinity })]],
    [
      "1e400, which JSON reads as infinite",
      json('[{"type":"mcp_a","actions":["x"],"constraints":{"v":{"maximum":1e400}}}]'),
    ],
    ["NaN", [withLimit({ maximum: NaN })]],
    ["a maximum that is undefined", [withLimit({ maximum: undefined })]],
    ["bounds and an enumeration", [withLimit({ maximum: 5, enum: [1] })]],
    ["null among the values", [withLimit({ enum: [null] })]],
    ["a list among the values", [withLimit({ enum: [["a"]] })]],
    ["101 values", [withLimit({ enum: Array.from({ length: 101 }, (_, value) => value) })]],
    ["a path with an empty name", [withLimit({ maximum: 5 }, "arguments..v")]],
    ["a path with an index in brackets", [withLimit({ maximum: 5 }, "arguments[0]")]],
    ["a path that is a glob", [withLimit({ maximum: 5 }, "arguments.*")]],
    ["no path", [withLimit({ maximum: 5 }, "")]],
    [
      "a limit on __proto__",
      json('[{"type":"mcp_a","actions":["x"],"constraints":{"__proto__":{"maximum":5}}}]'),
    ],
    ["__proto__ in an entry", json('[{"type":"mcp_a","actions":["x"],"__proto__":{"identifier":"a"}}]')],
    [
      "__proto__ in a constraint",
      json('[{"type":"mcp_a","actions":["x"],"constraints":{"v":{"maximum":5,"__proto__":{}}}}]'),
    ],
    ["constraints as a list", [{ ...valid, constraints: [{ maximum: 5 }] }]],
    [
      "a thousand limits of nothing",
      [
        {
          ...valid,
          constraints: Object.fromEntries(
            Array.from({ length: 1000 }, (_, index) => [`p${index}`, { enum: [] }]),
          ),
        },
      ],
    ],
    ["101 entries", Array.from({ length: 101 }, () => valid)],
    ["101 actions", [{ ...valid, actions: Array.from({ length: 101 }, (_, index) => `a${index}`) }]],
  ])("%s", (_, given) => {
    expect(grantSchema.safeParse(given).success).toBe(false);
  });

  it("and what can be read is read as it is", () => {
    const grant: Grant = [
      entry(
        ["tools/call/x*", "initialize"],
        { "arguments.v": { maximum: 5 }, constructor: { enum: ["a", 1, true] } },
        "a",
      ),
      entry([]),
    ];
    expect(grantSchema.parse(grant)).toEqual(grant);
    expect(grantSchema.parse([])).toEqual([]);
  });
});
