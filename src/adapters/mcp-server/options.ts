import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { aFunction } from "../../core/option-types";
import { parseOptions } from "../../core/options";
import type { CallerOptions } from "../http/caller";
import { readOptions, type GuardTransportOptions, type Settings } from "../mcp/options";
import type { AnyMcpServer } from "./server-transport";

/** How a server's calls are named and typed for the policy: as the clients of the server name and type them. */
export type ServerGuardOptions = Pick<
  GuardTransportOptions,
  "server" | "effects" | "schemas" | "untyped" | "metaTools"
>;

/** Makes a server, of either line of the SDK, before it is connected: an `McpServerFactory` of SDK 2, or a function of yours. */
export type CreateMcpServer = (...args: never[]) => AnyMcpServer | Promise<AnyMcpServer>;

/** Options of `guardMcpServer`. */
export interface GuardMcpServerOptions<Source, Create extends CreateMcpServer = CreateMcpServer>
  extends ServerGuardOptions, CallerOptions<Source> {
  /**
   * Makes a server. It is wrapped as `create`, and called as SDK 2 would, with `{ era: "legacy", authInfo }`, where the definition of a tool is needed
   * and no server is connected yet.
   */
  readonly create: Create;
  /**
   * The server's own URL, as clients know it: what tokens are issued for (RFC 8707). That a token is for this server is for the guard's `identity` to
   * verify, as `jwt({ audience: resource })` does. Default: none, and no metadata.
   */
  readonly resource?: string;
  /** The issuers that clients get tokens from: `authorization_servers` of the metadata. Default: none. */
  readonly authorizationServers?: readonly string[];
  /** The scopes that clients may ask for: `scopes_supported` of the metadata. Default: none. */
  readonly scopesSupported?: readonly string[];
  /** The largest message. Default 4,194,304 bytes and 100 levels. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
}

/** The options with every default in place. */
export interface FrontDoorSettings {
  readonly settings: Settings;
  readonly create: CreateMcpServer;
  readonly resource: string | undefined;
  readonly authorizationServers: readonly string[];
  readonly scopesSupported: readonly string[];
  readonly limits: { readonly maxDepth: number; readonly maxLength: number };
}

const ABSOLUTE = "expected an absolute URL without a fragment, as https://mcp.example.com/mcp";
const isResource = (text: string): boolean => /^https?:\/\/[^#\s]+$/i.test(text) && URL.canParse(text);

const size = z.int().positive().optional();
const schema = z.object({
  create: aFunction<CreateMcpServer>(),
  resource: z.string().refine(isResource, ABSOLUTE).optional(),
  authorizationServers: z.array(z.string().refine(isResource, ABSOLUTE)).default([]),
  scopesSupported: z.array(z.string().min(1)).default([]),
  limits: z.strictObject({ maxDepth: size, maxLength: size }).default({}),
});

/** @throws {ConfigurationError} naming the option. */
export function readServerOptions(caller: string, options: ServerGuardOptions): Settings {
  const { server, effects, schemas, untyped, metaTools, ...others } = { ...options };
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new ConfigurationError(`${caller}.${unknown}: there is no such option`);
  const given = { server, effects, schemas, untyped, metaTools };
  const there = Object.entries(given).filter(([, value]) => value !== undefined);
  return readOptions(Object.fromEntries(there) as unknown as GuardTransportOptions, caller);
}

/** @throws {ConfigurationError} naming the option. */
export function readFrontDoorOptions<Source>(
  caller: string,
  options: GuardMcpServerOptions<Source>,
): FrontDoorSettings {
  const {
    create,
    resource,
    authorizationServers,
    scopesSupported,
    limits,
    agent: _,
    identify: __,
    ...rest
  } = {
    ...options,
  };
  const parsed = parseOptions(schema, caller, {
    create,
    resource,
    authorizationServers,
    scopesSupported,
    limits,
  });
  if (
    parsed.resource === undefined &&
    parsed.authorizationServers.length + parsed.scopesSupported.length > 0
  ) {
    throw new ConfigurationError(
      `${caller}.resource: the metadata that \`authorizationServers\` and \`scopesSupported\` are for needs it`,
    );
  }
  const { maxDepth = 100, maxLength = 4_194_304 } = parsed.limits;
  return Object.freeze({
    ...{ create: parsed.create, resource: parsed.resource, limits: { maxDepth, maxLength } },
    authorizationServers: parsed.authorizationServers,
    scopesSupported: parsed.scopesSupported,
    settings: readServerOptions(caller, rest),
  });
}
