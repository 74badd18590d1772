import * as z from "zod";
import { aFunction } from "../core/option-types";
import { parseOptions } from "../core/options";
import type { AttributeProvider, EnrichmentInput, MaybePromise } from "../index";
import { providerSchema, type ProviderOptions } from "./provider-options";

/** Options of {@link sqlQuery}, beside those of every provider. */
export interface SqlQueryOptions extends ProviderOptions {
  /** With the placeholders of your database: `$1`, `?`. Values never become part of it. */
  readonly sql: string;
  /**
   * What takes the placeholders' places, in their order: text, numbers, booleans, dates, bytes or null. One that is anything else, or missing, fails
   * the provider.
   */
  readonly params: (input: EnrichmentInput) => readonly unknown[];
  /** Runs a query with your own client, and answers with its rows: `async (sql, params) => (await pool.query(sql, [...params])).rows`. */
  readonly query: (
    sql: string,
    params: readonly unknown[],
    signal: AbortSignal,
  ) => MaybePromise<readonly unknown[]>;
  /** Whether the policy gets the only row (`"one"`, the default: none or several fail) or a list of all of them (`"many"`). */
  readonly rows?: "one" | "many";
}

const optionsSchema = providerSchema.extend({
  sql: z.string().min(1),
  params: aFunction<SqlQueryOptions["params"]>(),
  query: aFunction<SqlQueryOptions["query"]>(),
  rows: z.enum(["one", "many"]).default("one"),
});

/**
 * A provider that asks a database, through your own client. The arguments of a call are written by a model: they are handed over as parameters
 * and never become SQL.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function sqlQuery(options: SqlQueryOptions): AttributeProvider {
  const { sql, params, query, rows, ...provider } = parseOptions(optionsSchema, "sqlQuery", options);

  const provide = async (input: EnrichmentInput): Promise<unknown> => {
    const values = params(input);
    const wrong = values.findIndex((value) => !isPlain(value));
    if (wrong >= 0) throw new Error(`there is no usable value for parameter ${wrong + 1}`);
    const found: unknown = await query(sql, values, input.signal);
    if (!Array.isArray(found)) throw new Error("query answered with something that is no list of rows");
    if (rows === "many") return found;
    if (found.length !== 1) throw new Error(`expected one row, found ${found.length}`);
    return found[0] as unknown;
  };
  return { ...provider, provide } as AttributeProvider;
}

/** Some drivers make SQL of objects and lists: of `{ id: 1 }` where an id is expected, the condition `id = 1`, which is true of many. */
function isPlain(value: unknown): boolean {
  if (value === null || value instanceof Date || value instanceof Uint8Array) return true;
  return ["string", "number", "bigint", "boolean"].includes(typeof value);
}
