import fc from "fast-check";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Keys that have a meaning somewhere, beside any. */
const key = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "constructor",
      "toString",
      "toJSON",
      "model",
      "arguments",
      "context",
      "name",
      "Name",
      "a.b",
      "with space",
    ),
  },
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<Json[]>(null, true, false, 0, 1, -1, 1.5, 2 ** 53 - 1, "", "text", "9000"),
    fc.string({ maxLength: 8 }),
    fc.integer(),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(key, tie("json"), { maxKeys: 3 }),
  ),
}));

export { json };
export const jsonObject: fc.Arbitrary<Record<string, Json>> = fc.dictionary(key, json, { maxKeys: 4 });

/** How a value is handed over. None may lead to something being sent that was not checked. */
export const DISGUISES = [
  "as it is",
  "changed right after",
  "getters that change",
  "toJSON that changes",
  "a proxy that changes",
  "a class with inherited members",
  "a Date within",
  "a cycle",
  "a function within",
  "a bigint within",
  "ill-formed Unicode within",
  "200 levels deep",
  "a member named __proto__",
  "a boxed string",
  "NaN within",
] as const;
export type Disguise = (typeof DISGUISES)[number];

/** What JSON cannot hold, or what two readers read differently, goes nowhere. */
export const UNSENDABLE: ReadonlySet<Disguise> = new Set<Disguise>([
  "a cycle",
  "a bigint within",
  "ill-formed Unicode within",
  "200 levels deep",
  "a member named __proto__",
]);

/** A value to hand over, and what happens to it right after it was. */
export interface Disguised {
  readonly value: unknown;
  readonly after: () => void;
}

/** Something else than what was first said, once it has been looked at. */
const EVIL = { amount_cents: 999_999_999, q: "DROP", evil: true };

export function disguise(given: Record<string, Json>, how: Disguise): Disguised {
  const nothing = (): void => undefined;
  const plain = structuredClone(given);
  switch (how) {
    case "as it is":
      return { value: plain, after: nothing };
    case "changed right after":
      return { value: plain, after: () => Object.assign(plain, EVIL) };
    case "getters that change": {
      const members = Object.keys({ ...plain, ...EVIL }).map((name) => {
        let reads = 0;
        const get = (): unknown => (reads++ === 0 ? plain[name] : (EVIL as Record<string, unknown>)[name]);
        return [name, { get, enumerable: true, configurable: true }] as const;
      });
      return { value: Object.defineProperties({}, Object.fromEntries(members)), after: nothing };
    }
    case "toJSON that changes": {
      let reads = 0;
      return { value: { ...EVIL, toJSON: () => (reads++ === 0 ? plain : EVIL) }, after: nothing };
    }
    case "a proxy that changes": {
      const reads = new Map<string | symbol, number>();
      const get = (target: object, name: string | symbol): unknown => {
        const before = reads.get(name) ?? 0;
        reads.set(name, before + 1);
        return Reflect.get(before === 0 ? target : EVIL, name) as unknown;
      };
      return { value: new Proxy(plain, { get }), after: nothing };
    }
    case "a class with inherited members":
      return { value: Object.assign(Object.create(EVIL) as object, plain), after: nothing };
    case "a Date within":
      return { value: { ...plain, at: new Date(0) }, after: nothing };
    case "a cycle":
      return { value: Object.assign(plain as object, { self: plain }), after: nothing };
    case "a function within":
      return { value: { ...plain, run: () => EVIL }, after: nothing };
    case "a bigint within":
      return { value: { ...plain, amount_cents: 10n }, after: nothing };
    case "ill-formed Unicode within":
      return { value: { ...plain, note: "\ud800" }, after: nothing };
    case "200 levels deep": {
      const deep = Array.from({ length: 200 }).reduce<unknown>((inner) => [inner], plain);
      return { value: { ...plain, deep }, after: nothing };
    }
    case "a member named __proto__":
      return { value: JSON.parse(`{"__proto__":{"amount_cents":1},"amount_cents":2}`), after: nothing };
    case "a boxed string": {
      const [name, text] = Object.entries(plain).find(([, member]) => typeof member === "string") ?? [
        "note",
        "",
      ];
      return { value: { ...plain, [name]: Object(text) as unknown }, after: nothing };
    }
    case "NaN within":
      return { value: { ...plain, amount_cents: NaN }, after: nothing };
  }
}
