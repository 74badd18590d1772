import * as z from "zod";
import { ConfigurationError } from "../core/errors";
import { parseOptions } from "../core/options";
import type { PdpPrincipal } from "../core/principal";

/** How the PDP is asked. */
export interface CerbosOptions {
  /** Milliseconds for the whole exchange, waiting in a batch and retries included. Default 1000. */
  readonly timeoutMs?: number;
  /** The version of the policies to ask. Default: the PDP's own default. It never comes from a caller. */
  readonly policyVersion?: string;
  /** The scope of the policies to ask, such as a tenant's; a function derives it from the verified principal. */
  readonly scope?: string | ((principal: PdpPrincipal) => string);
  /** Headers for a PDP behind a gateway that wants credentials. Only for a PDP by URL. */
  readonly headers?: Readonly<Record<string, string>>;
}

const schema = z.strictObject({
  timeoutMs: z.int().positive().max(60_000).default(1000),
  policyVersion: z.string().min(1).optional(),
  scope: z
    .union([
      z.string().regex(/^[0-9A-Za-z_.-]*$/, "expected a scope like acme.corp"),
      z.custom<(principal: PdpPrincipal) => string>(
        (value) => typeof value === "function",
        "expected a string or a function",
      ),
    ])
    .optional(),
  headers: z
    .record(
      z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "is not the name of a header"),
      z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "holds what a header cannot"),
    )
    .default({}),
});

export type ParsedCerbosOptions = Readonly<z.output<typeof schema>>;

export const parseCerbosOptions = (options: unknown): ParsedCerbosOptions =>
  Object.freeze(parseOptions(schema, "cerbos", options));

/** @throws {ConfigurationError} for what is not the base URL of a PDP's HTTP listener. */
export function parsePdpUrl(url: string | URL): URL {
  // Neither the text nor the runtime's error, which holds it: there may be a password in it.
  if (!URL.canParse(String(url)))
    throw new ConfigurationError("cerbos.url: expected a URL such as http://localhost:3592");
  const parsed = new URL(url);
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw new ConfigurationError(
      `cerbos.url: expected http: or https:, the PDP's HTTP listener, and not ${parsed.protocol}`,
    );
  }
  if (parsed.username || parsed.password || parsed.search || parsed.hash) {
    throw new ConfigurationError(
      "cerbos.url: credentials, query and fragment do not belong in it; see the option `headers`",
    );
  }
  if (!parsed.pathname.endsWith("/")) parsed.pathname += "/";
  return parsed;
}
