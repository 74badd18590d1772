import * as z from "zod";
import { aFunction } from "../core/option-types";
import { parseOptions } from "../core/options";
import type { AttributeProvider, EnrichmentInput, MaybePromise } from "../index";
import { fill, hasPlaceholders, isTemplate } from "./address";
import { DEFAULT_MAX_LENGTH, fetchJson } from "./fetch-json";
import { providerSchema, type ProviderOptions } from "./provider-options";

/** Options of {@link httpJson}, beside those of every provider. */
export interface HttpJsonOptions extends ProviderOptions {
  /** Where the answer is: `https://projects.example/v1/projects/{id}`. Placeholders stand in the path or the query. */
  readonly url: string;
  /**
   * What takes the placeholders' places: strings and numbers, by name. They are encoded, and one that is missing, or that could lead elsewhere, fails
   * the provider.
   */
  readonly params?: (input: EnrichmentInput) => Readonly<Record<string, unknown>>;
  /** Headers of the request: credentials, most likely. */
  readonly headers?: (input: EnrichmentInput) => MaybePromise<Readonly<Record<string, string>>>;
  /** Default the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** The longest answer, in characters. Default 65,536. */
  readonly maxLength?: number;
}

const optionsSchema = providerSchema
  .extend({
    url: z
      .string()
      .refine(isTemplate, "expected an http(s) URL, with placeholders in its path or query only"),
    params: aFunction<NonNullable<HttpJsonOptions["params"]>>().optional(),
    headers: aFunction<NonNullable<HttpJsonOptions["headers"]>>().optional(),
    fetch: aFunction<typeof fetch>().optional(),
    maxLength: z.int().positive().default(DEFAULT_MAX_LENGTH),
  })
  .refine(({ url, params }) => params !== undefined || !hasPlaceholders(url), {
    path: ["params"],
    message: "say what takes the places in `url`",
  });

/**
 * A provider that asks an HTTP service for JSON. Only a 200 with a body of JSON that has one reading is an answer; redirects are not followed, because
 * they would take the credentials with them.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function httpJson(options: HttpJsonOptions): AttributeProvider {
  const {
    url,
    params,
    headers,
    fetch = globalThis.fetch,
    maxLength,
    ...provider
  } = parseOptions(optionsSchema, "httpJson", options);

  const provide = async (input: EnrichmentInput): Promise<unknown> => {
    const address = fill(url, params?.(input) ?? {});
    const given = (await headers?.(input)) ?? {};
    return fetchJson(address, { headers: given, signal: input.signal, fetch, maxLength });
  };
  return { ...provider, provide } as AttributeProvider;
}
