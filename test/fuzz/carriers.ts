/** A request as it is to be made, before it is put into the shape of a call to `fetch`. */
export interface Draft {
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body:
    { readonly text: string } | { readonly fields: readonly (readonly [string, string])[] } | undefined;
}

/** How a call to `fetch` is made. None may lead to something being sent that was not checked. */
export const CARRIERS = [
  "a string",
  "bytes",
  "bytes that change after",
  "a buffer",
  "a blob",
  "a stream",
  "a Request",
  "a URL object",
  "a URL that changes",
  "getters that change",
  "headers that change after",
  "search params",
  "a boxed string",
] as const;
export type Carrier = (typeof CARRIERS)[number];

export interface Call {
  readonly input: string | URL | Request;
  readonly init: RequestInit;
  /** What happens right after the call. */
  readonly after: () => void;
}

const nothing = (): void => undefined;

/** Puts a request into its carrier; a form of fields goes as `FormData`, or as the bytes of a multipart body. */
export async function carried(
  { url, method, headers, body }: Draft,
  carrier: Carrier,
  evilBody: string,
): Promise<Call> {
  if (body && "fields" in body) return carriedForm({ url, method, headers, body }, carrier);
  const text = body?.text;
  const init: RequestInit = {
    method,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  };
  const withBody = (given: BodyInit | undefined): RequestInit =>
    text === undefined || given === undefined ? init : { ...init, body: given };
  const bytes = new TextEncoder().encode(text ?? "");
  switch (carrier) {
    case "a string":
      return { input: url, init: withBody(text), after: nothing };
    case "bytes":
      return { input: url, init: withBody(bytes), after: nothing };
    case "bytes that change after":
      return {
        input: url,
        init: withBody(bytes),
        after: () => bytes.set(evilBytes(evilBody, bytes.length)),
      };
    case "a buffer":
      return { input: url, init: withBody(bytes.buffer), after: nothing };
    case "a blob":
      return { input: url, init: withBody(new Blob([bytes])), after: nothing };
    case "a stream":
      return {
        input: url,
        init: { ...withBody(new Blob([bytes]).stream()), duplex: "half" } as RequestInit,
        after: nothing,
      };
    case "a Request":
      return { input: new Request(url, withBody(text)), init: {}, after: nothing };
    case "a URL object": {
      const parsed = new URL(url);
      return { input: parsed, init: withBody(text), after: () => void (parsed.pathname = "/evil") };
    }
    case "a URL that changes": {
      let reads = 0;
      const shifty = { toString: () => (reads++ === 0 ? url : "https://evil.example/v1/chat/completions") };
      return { input: shifty as never, init: withBody(text), after: nothing };
    }
    case "getters that change":
      return { input: url, init: shiftyInit(withBody(text), evilBody), after: nothing };
    case "headers that change after": {
      const object = new Headers(init.headers);
      return {
        input: url,
        init: { ...withBody(text), headers: object },
        after: () => object.set("x-model", "evil"),
      };
    }
    case "search params":
      return { input: url, init: withBody(new URLSearchParams(text)), after: nothing };
    case "a boxed string":
      return { input: url, init: withBody(Object(text) as never), after: nothing };
  }
}

async function carriedForm(
  {
    url,
    method,
    headers,
    body,
  }: Draft & { readonly body: { readonly fields: readonly (readonly [string, string])[] } },
  carrier: Carrier,
): Promise<Call> {
  const form = new FormData();
  for (const [name, value] of body.fields) {
    if (name === "image" || name === "file") form.append(name, new Blob([value]), "a.bin");
    else form.append(name, value);
  }
  const own = headers
    .filter(([name]) => name !== "content-type")
    .map(([name, value]): [string, string] => [name, value]);
  if (carrier === "bytes" || carrier === "a stream" || carrier === "a Request") {
    const encoded = new Response(form);
    const type = encoded.headers.get("content-type") ?? "";
    const bytes = new Uint8Array(await encoded.arrayBuffer());
    const init = { method, headers: [...own, ["content-type", type] as [string, string]] };
    const sent = carrier === "bytes" ? bytes : new Blob([bytes]).stream();
    return { input: url, init: { ...init, body: sent, duplex: "half" } as RequestInit, after: nothing };
  }
  return { input: url, init: { method, headers: own, body: form }, after: () => form.set("model", "evil") };
}

function evilBytes(text: string, length: number): Uint8Array {
  return new TextEncoder().encode(text).slice(0, length);
}

/** Each member answers with something else when it is read again. */
function shiftyInit(init: RequestInit, evilBody: string): RequestInit {
  const evil: RequestInit = {
    method: "DELETE",
    headers: { "x-model": "evil" },
    body: evilBody,
    redirect: "follow",
  };
  const members = Object.keys({ ...evil, ...init }).map((name) => {
    let reads = 0;
    const get = (): unknown =>
      ((reads++ === 0 && name !== "redirect" ? init : evil) as Record<string, unknown>)[name];
    return [name, { get, enumerable: true }] as const;
  });
  return Object.defineProperties({}, Object.fromEntries(members));
}
