import fc from "fast-check";
import type { Draft } from "./carriers";
import type { Expectation } from "./coverage";

/** A request of one kind, before it is carried. */
export interface ModelRequest extends Draft {
  readonly kind: string;
  readonly expects: Expectation;
}

export type Body = Readonly<Record<string, unknown>>;

/** What a request may be given in addition, and what may come of it. */
export interface Feature {
  readonly expects: Expectation;
  readonly with: (body: Body, model: string) => Body;
}

/** How a request is bent so that another reader might read it in another way. */
export interface Mutation {
  readonly expects: Expectation;
  readonly bend: (draft: Draft, model: string) => Draft;
}

const onText = (expects: Expectation, bend: (text: string, model: string) => string): Mutation => ({
  expects,
  bend: (draft, model) =>
    draft.body && "text" in draft.body ? { ...draft, body: { text: bend(draft.body.text, model) } } : draft,
});
const onUrl = (expects: Expectation, bend: (url: URL, model: string) => string): Mutation => ({
  expects,
  bend: (draft, model) => ({ ...draft, url: bend(new URL(draft.url), model) }),
});
const withHeader = (expects: Expectation, name: string, value: string): Mutation => ({
  expects,
  bend: (draft) => ({
    ...draft,
    headers: [...draft.headers.filter(([other]) => other !== name), [name, value]],
  }),
});
/** Another member in front of all others, or behind them. */
const prepended = (member: (model: string) => string) =>
  onText("denied", (text, model) => text.replace("{", `{${member(model)},`));
const appended = (member: (model: string) => string) =>
  onText("denied", (text, model) => `${text.slice(0, -1)},${member(model)}}`);

/** Of a request with a body of JSON to either API. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "the model twice, first": prepended((model) => `"model":"${model}"`),
  "the model twice, last": appended((model) => `"model":"${model}"`),
  "the model twice, escaped": appended((model) => `"mod\\u0065l":"${model}"`),
  "Model beside model": appended((model) => `"Model":"${model}"`),
  "__proto__ with a model": appended((model) => `"__proto__":{"model":"${model}"}`),
  "a control character in a name": appended((model) => `"model\\u0000":"${model}"`),
  "ill-formed Unicode": appended(() => `"user":"\\ud800"`),
  "a number past doubles": appended(() => `"seed":9007199254740993`),
  "an infinite number": appended(() => `"seed":1e400`),
  "200 levels deep": appended(() => `"x":${"[".repeat(200)}${"]".repeat(200)}`),
  "text behind the JSON": onText("denied", (text) => `${text}{}`),
  "truncated JSON": onText("denied", (text) => text.slice(0, -1)),
  "a byte order mark": onText("denied", (text) => `\ufeff${text}`),
  "a list of bodies": onText("denied", (text) => `[${text}]`),
  "no body": { expects: "denied", bend: (draft) => ({ ...draft, body: { text: "" } }) },
  "another origin": onUrl("denied", ({ pathname }) => `https://evil.example${pathname}`),
  "another port": onUrl("denied", ({ hostname, pathname }) => `https://${hostname}:8443${pathname}`),
  "another scheme": onUrl("denied", ({ host, pathname }) => `http://${host}${pathname}`),
  "a user in the URL": onUrl("denied", ({ host, pathname }) => `https://api.example@${host}${pathname}`),
  "a host that begins alike": onUrl(
    "denied",
    ({ host, pathname }) => `https://${host}.evil.example${pathname}`,
  ),
  "a path above the base": onUrl(
    "denied",
    ({ origin, pathname }) => `${origin}${pathname}/../../../../other`,
  ),
  "an encoded way up": onUrl("denied", ({ origin, pathname }) => `${origin}${pathname}/%2e%2e/%2e%2e/admin`),
  "an upper-case path": onUrl("denied", ({ origin, pathname }) => `${origin}${pathname.toUpperCase()}`),
  "a trailing slash": onUrl("denied", ({ href }) => `${href}/`),
  "a doubled slash": onUrl("denied", ({ origin, pathname }) => `${origin}/${pathname}`),
  "a base that begins alike": onUrl(
    "denied",
    ({ origin, pathname }) => origin + pathname.replace(/^\/\w+/, "$&evil"),
  ),
  "a model in the query": onUrl("denied", ({ href }, model) => `${href}?model=${model}`),
  "a harmless query": onUrl("both", ({ href }) => `${href}?api-version=1`),
  "a fragment": onUrl("denied", ({ href }) => `${href}/x#/../..`),
  "an endpoint that nobody knows": onUrl("denied", ({ origin, pathname }) => `${origin}${pathname}/unknown`),
  "an admitted endpoint, one deeper": onUrl(
    "denied",
    ({ origin, pathname }) => `${origin}/${pathname.split("/")[1] ?? ""}/files/f1%2Fx`,
  ),
  "the method PUT": { expects: "denied", bend: (draft) => ({ ...draft, method: "PUT" }) },
  "the method in lower case": {
    expects: "both",
    bend: (draft) => ({ ...draft, method: draft.method.toLowerCase() }),
  },
  "a header that names a model": withHeader("denied", "x-gateway-model", "evil"),
  "a header that names fallbacks": withHeader("denied", "x-fallbacks", "evil"),
  "a header with another method": withHeader("denied", "x-http-method-override", "DELETE"),
  "a header of no meaning": withHeader("both", "x-trace", "1"),
  "an encoded body": withHeader("denied", "content-encoding", "gzip"),
  "plain text": withHeader("denied", "content-type", "text/plain"),
  "another charset": withHeader("denied", "content-type", "application/json; charset=utf-16"),
  "charset utf-8": withHeader("both", "content-type", 'Application/JSON; charset="UTF-8"'),
  "a form's content type": withHeader("denied", "content-type", "application/x-www-form-urlencoded"),
  "another host": withHeader("both", "host", "evil.example"),
};

/** Endpoint by endpoint: what a valid request to it is. */
export interface Endpoint {
  readonly kind: string;
  readonly expects: Expectation;
  readonly draft: (model: string, other: string, baseURL: string) => Draft;
  readonly features: boolean;
}

export const post = (url: string, body: Body | undefined): Draft => ({
  url,
  method: "POST",
  headers: [["content-type", "application/json"]],
  body: body && { text: JSON.stringify(body) },
});

/** A request as it should be, one with a feature, or one that is bent: half, a quarter and a quarter. */
export function modelRequests(
  api: string,
  baseURL: string,
  models: readonly string[],
  endpoints: readonly Endpoint[],
  features: Readonly<Record<string, Feature>>,
): { readonly requests: fc.Arbitrary<ModelRequest>; readonly kinds: Readonly<Record<string, Expectation>> } {
  const mutable = endpoints.filter(({ features: has }) => has);
  const requestOf = (
    among: readonly Endpoint[],
    { kind, expects }: { readonly kind?: string; readonly expects?: Expectation },
    change: (draft: Draft, other: string) => Draft,
  ): fc.Arbitrary<ModelRequest> =>
    fc
      .tuple(fc.constantFrom(...among), fc.constantFrom(...models), fc.constantFrom(...models))
      .map(([endpoint, model, other]) => ({
        ...change(endpoint.draft(model, other, baseURL), other),
        kind: `${api}: ${kind ?? endpoint.kind}`,
        expects: expects ?? endpoint.expects,
      }));
  const plain = requestOf(endpoints, {}, (draft) => draft);
  const featured = fc
    .constantFrom(...Object.entries(features))
    .chain(([name, { expects, with: change }]) =>
      requestOf(mutable, { kind: `with ${name}`, expects }, (draft, other) => withBody(draft, other, change)),
    );
  // Those that may come through only do so if all else is well.
  const bent = fc
    .constantFrom(
      ...Object.entries(MUTATIONS).flatMap((entry) =>
        entry[1].expects === "both" ? [entry, entry, entry] : [entry],
      ),
    )
    .chain(([kind, { expects, bend }]) => requestOf(mutable, { kind, expects }, bend));
  const expected = (entries: readonly (readonly [string, { readonly expects: Expectation }])[]) =>
    Object.fromEntries(entries.map(([kind, { expects }]) => [`${api}: ${kind}`, expects]));
  return {
    requests: fc.oneof(
      { weight: 2, arbitrary: plain },
      { weight: 1, arbitrary: featured },
      { weight: 1, arbitrary: bent },
    ),
    kinds: {
      ...expected(endpoints.map((endpoint) => [endpoint.kind, endpoint])),
      ...expected(Object.entries(features).map(([name, feature]) => [`with ${name}`, feature])),
      ...expected(Object.entries(MUTATIONS)),
    },
  };
}

function withBody(draft: Draft, other: string, change: Feature["with"]): Draft {
  const body = JSON.parse(draft.body && "text" in draft.body ? draft.body.text : "{}") as Body;
  return { ...draft, body: { text: JSON.stringify(change(body, other)) } };
}
