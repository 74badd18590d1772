import * as z from "zod";
import { aFunction } from "../core/option-types";
import { parseOptions } from "../core/options";
import type { AttributeProvider, EnrichmentInput, MaybePromise } from "../index";
import { DEFAULT_MAX_LENGTH, fetchJson } from "./fetch-json";
import { providerSchema, type ProviderOptions } from "./provider-options";

/** Options of {@link oidcUserinfo}, beside those of every provider. */
export interface OidcUserinfoOptions extends Omit<ProviderOptions, "name" | "adds" | "keys"> {
  /** Default `"userinfo"`. */
  readonly name?: string;
  /** The issuer, exactly as it names itself. Its userinfo endpoint is found by OpenID Connect Discovery. */
  readonly issuer: string;
  /** The access token of the user on whose behalf the agent acts. Asked for on every hop. */
  readonly accessToken: (input: EnrichmentInput) => MaybePromise<string>;
  /** Which claims the policy gets, as `P.attr.<claim>`. One that the user does not have is left out. */
  readonly keys: readonly string[];
  /** The `sub` that the user must have. Default: the principal's id. */
  readonly subject?: (input: EnrichmentInput) => string;
  /** Default the global `fetch`. */
  readonly fetch?: typeof fetch;
}

const optionsSchema = providerSchema.omit({ adds: true }).extend({
  name: z.string().min(1).default("userinfo"),
  issuer: z.url({ protocol: /^https?$/ }),
  accessToken: aFunction<OidcUserinfoOptions["accessToken"]>(),
  keys: z.array(z.string().min(1)).min(1),
  subject: aFunction<NonNullable<OidcUserinfoOptions["subject"]>>().optional(),
  fetch: aFunction<typeof fetch>().optional(),
});
const discoverySchema = z.looseObject({ issuer: z.string(), userinfo_endpoint: z.url() });
const userinfoSchema = z.looseObject({ sub: z.string() });
/** RFC 6750, section 2.1. */
const ACCESS_TOKEN = /^[\w.~+/-]+=*$/;

/**
 * A provider of what an OpenID provider says of the user: claims of its userinfo endpoint as attributes of the principal. An answer about
 * another `sub` than the principal's denies, because the token may have been swapped.
 *
 * @see OpenID Connect Core 1.0, section 5.3, and OpenID Connect Discovery 1.0, section 4
 * @throws {ConfigurationError} naming the wrong option.
 */
export function oidcUserinfo(options: OidcUserinfoOptions): AttributeProvider {
  const {
    issuer,
    accessToken,
    subject = ({ principal }: EnrichmentInput): string => principal.id,
    fetch = globalThis.fetch,
    ...provider
  } = parseOptions(optionsSchema, "oidcUserinfo", options);
  const ask = (url: string, headers: Record<string, string>, { signal }: EnrichmentInput) =>
    fetchJson(url, { headers, signal, fetch, maxLength: DEFAULT_MAX_LENGTH });

  let endpoint: string | undefined;
  const discover = async (input: EnrichmentInput): Promise<string> => {
    const document = await ask(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {}, input);
    const found = discoverySchema.parse(document);
    if (found.issuer !== issuer) throw new Error("the discovery document is another issuer's");
    const { protocol } = new URL(found.userinfo_endpoint);
    if (protocol !== "https:" && protocol !== new URL(issuer).protocol)
      throw new Error("the userinfo endpoint would show the token to the network");
    return (endpoint = found.userinfo_endpoint);
  };

  const provide = async (input: EnrichmentInput): Promise<unknown> => {
    const [url, token] = await Promise.all([endpoint ?? discover(input), accessToken(input)]);
    const claims = userinfoSchema.parse(await ask(url, { authorization: bearer(token) }, input));
    if (claims.sub !== subject(input)) throw new Error("userinfo is about another user");
    return Object.fromEntries(Object.entries(claims).filter(([claim]) => provider.keys.includes(claim)));
  };
  return { ...provider, adds: "principal", provide } as AttributeProvider;
}

/** The error for a header that cannot be sent would show the token. */
function bearer(token: unknown): string {
  if (typeof token === "string" && ACCESS_TOKEN.test(token)) return `Bearer ${token}`;
  throw new Error("accessToken answered something that is no access token");
}
