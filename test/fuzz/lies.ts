import type { Answer, Asked, Result } from "./wire";

/** What goes out in place of a sound answer: another value, other bytes, or something that happens to the connection. */
export type Told =
  | { readonly value: unknown }
  | {
      readonly status: number;
      readonly type: string;
      readonly text: string | Buffer;
      readonly headers?: object;
    }
  | "hang"
  | "reset";

interface Lie {
  /** An answer that allows everything it was asked, to be spoilt so that it proves nothing. */
  readonly answer: Answer;
  readonly asked: Asked;
  /** What the PDP answered last, if it did. */
  readonly previous: Answer | undefined;
}

const JSON_TYPE = "application/json";

const eachResult =
  (spoil: (result: Result) => unknown) =>
  ({ answer }: Lie): Told => ({ value: { ...answer, results: answer.results.map(spoil) } });
const eachEffect = (spoilt: unknown) =>
  eachResult((result) => ({
    ...result,
    actions: Object.fromEntries(Object.keys(result.actions).map((action) => [action, spoilt])),
  }));
const withResults =
  (spoil: (results: Result[]) => unknown) =>
  ({ answer }: Lie): Told => ({ value: { ...answer, results: spoil(answer.results) } });
const raw =
  (spoil: (text: string, lie: Lie) => string | Buffer, status = 200, type = JSON_TYPE, headers = {}) =>
  (lie: Lie): Told => ({ status, type, text: spoil(JSON.stringify(lie.answer), lie), headers });
const unspoilt = (text: string): string => text;
const status = (code: number) => raw(unspoilt, code);

/** Each proves nothing, whatever it seems to say. */
export const LIES = {
  "another request's id": ({ answer }) => ({ value: { ...answer, requestId: crypto.randomUUID() } }),
  "no request id": ({ answer: { requestId: _requestId, ...rest } }) => ({ value: rest }),
  "another resource's id": eachResult((result) => ({
    ...result,
    resource: { ...result.resource, id: `${String(result.resource.id)}x` },
  })),
  "the server's id without the call's": eachResult((result) => ({
    ...result,
    resource: { ...result.resource, id: `${String(result.resource.id).split("/")[0]}/` },
  })),
  "another kind": eachResult((result) => ({ ...result, resource: { ...result.resource, kind: "other" } })),
  "another policy version": eachResult((result) => ({
    ...result,
    resource: { ...result.resource, policyVersion: "v0" },
  })),
  "another scope": eachResult((result) => ({ ...result, resource: { ...result.resource, scope: "evil" } })),
  "no resource": eachResult(({ actions }) => ({ actions })),
  "no action": eachResult((result) => ({ ...result, actions: {} })),
  "actions are null": eachResult((result) => ({ ...result, actions: null })),
  "actions are a list": eachResult((result) => ({ ...result, actions: Object.entries(result.actions) })),
  "another action": eachResult((result) => ({ ...result, actions: { "*": "EFFECT_ALLOW" } })),
  "an action more": eachResult((result) => ({
    ...result,
    actions: { ...result.actions, "*": "EFFECT_ALLOW" },
  })),
  "inherited effects": eachResult((result) => ({
    ...result,
    actions: Object.create(result.actions) as object,
  })),
  "effects behind __proto__": raw((text) =>
    text.replaceAll(/"actions":(\{.*?\})/g, '"actions":{"__proto__":$1}'),
  ),
  EFFECT_UNSPECIFIED: eachEffect("EFFECT_UNSPECIFIED"),
  "the effect 1": eachEffect(1),
  "the effect allow": eachEffect("allow"),
  "the effect true": eachEffect(true),
  "the effect in a list": eachEffect(["EFFECT_ALLOW"]),
  "the effect in lower case": eachEffect("effect_allow"),
  "the effect with a space": eachEffect("EFFECT_ALLOW "),
  "validation errors": eachResult((result) => ({
    ...result,
    validationErrors: [{ path: "/arguments/amount_cents", message: "too large", source: "SOURCE_RESOURCE" }],
  })),
  "no results": withResults(() => []),
  "results are missing": ({ answer: { requestId } }) => ({ value: { requestId } }),
  "a result more": withResults((results) => [
    ...results,
    { resource: { kind: "other", id: "other" }, actions: { other: "EFFECT_ALLOW" } },
  ]),
  "a result less": withResults((results) => results.slice(1)),
  "every result twice": withResults((results) => [...results, ...results]),
  "a denial beside it": withResults((results) => [
    ...results.map((result) => ({
      ...result,
      actions: Object.fromEntries(Object.keys(result.actions).map((action) => [action, "EFFECT_DENY"])),
    })),
    ...results,
  ]),
  "the last answer again": ({ previous }) => ({ value: previous ?? null }),
  null: () => ({ value: null }),
  "a string": () => ({ value: "EFFECT_ALLOW" }),
  HTML: () => ({ status: 200, type: "text/html", text: "<html>EFFECT_ALLOW</html>" }),
  "JSON as HTML": raw(unspoilt, 200, "text/html"),
  "truncated JSON": raw((text) => text.slice(0, -2)),
  "a duplicated key": raw((text) =>
    text.replaceAll(/"([^"]+)":"EFFECT_ALLOW"/g, '"$1":"EFFECT_DENY","$1":"EFFECT_ALLOW"'),
  ),
  "duplicated results": raw((text) => `{"results":[],${text.slice(1)}`),
  "bytes that are not UTF-8": raw((text) => Buffer.concat([Buffer.from(text), Buffer.from([0x20, 0xff])])),
  "an encoding": raw(unspoilt, 200, JSON_TYPE, { "content-encoding": "gzip" }),
  "status 201": status(201),
  "status 307": raw(unspoilt, 307, JSON_TYPE, { location: "/allow-everything" }),
  "status 400": status(400),
  "status 401": status(401),
  "status 429": status(429),
  "status 500": status(500),
  hang: () => "hang",
  reset: () => "reset",
} satisfies Record<string, (lie: Lie) => Told>;

export type LieName = keyof typeof LIES;
