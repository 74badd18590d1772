import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** Sets headers as `writeHead` takes them: an object, or names and values in turn. */
export function setHeaders(
  res: ServerResponse,
  headers: OutgoingHttpHeaders | readonly OutgoingHttpHeader[] = {},
): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
    return;
  }
  const flat = headers.flat().map(String);
  const names = new Set(flat.filter((_, index) => index % 2 === 0));
  for (const name of names) res.removeHeader(name);
  for (let index = 0; index < flat.length; index += 2)
    res.appendHeader(flat[index] ?? "", flat[index + 1] ?? "");
}

/** The same as the web has them. */
export function asHeaders(given: OutgoingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(given)) {
    for (const value of [values ?? []].flat()) headers.append(name, String(value));
  }
  return headers;
}
