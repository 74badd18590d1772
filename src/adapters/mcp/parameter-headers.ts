import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { paramsOf, type JsonRpcRequest } from "./json-rpc";
import type { Catalogue } from "./tool-catalogue";
import type { SendOptions } from "./transport";

const PREFIX = "mcp-param-";
/** What a name of a header is made of. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What stands in a header as it is; anything else is wrapped, and so is what looks as if it were. */
const PLAIN = /^(?!=\?base64\?.*\?=$)[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Has gateways read what was checked. Revision 2026-07-28 repeats arguments in headers, where the server's definition says so; SDK 2 makes them
 * before the arguments are checked, which may change them, and lets its caller give others.
 */
export function withCheckedHeaders(
  options: SendOptions,
  request: JsonRpcRequest,
  catalogue: Catalogue,
): SendOptions {
  if (options.headers === undefined) return options;
  const given = Object.entries(options.headers);
  const others = given.filter(([name]) => !name.toLowerCase().startsWith(PREFIX));
  const isRepeating = others.length < given.length && request.method === "tools/call";
  const checked = isRepeating ? headersOf(request, catalogue) : [];
  return { ...options, headers: Object.fromEntries([...others, ...checked]) };
}

function headersOf(request: JsonRpcRequest, catalogue: Catalogue): readonly Header[] {
  const { name, arguments: args } = paramsOf(request);
  const tool = typeof name === "string" ? catalogue.find(name) : undefined;
  return tool && isJsonObject(args) ? declaredIn(tool.inputSchema, args) : [];
}

type Header = readonly [name: string, value: string];

/** Goes down the arguments, which are bounded, and not down the schema. */
function declaredIn(schema: JsonValue | undefined, args: JsonObject): readonly Header[] {
  const properties = isJsonObject(schema) ? schema.properties : undefined;
  if (!isJsonObject(properties)) return [];
  return Object.entries(args).flatMap(([key, value]) => {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (isJsonObject(value)) return declaredIn(property, value);
    const name = isJsonObject(property) ? property["x-mcp-header"] : undefined;
    if (typeof name !== "string" || !TOKEN.test(name) || typeof value === "object") return [];
    return [[`Mcp-Param-${name}`, encoded(String(value))] as const];
  });
}

function encoded(text: string): string {
  if (PLAIN.test(text)) return text;
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return `=?base64?${btoa(bytes.join(""))}?=`;
}
