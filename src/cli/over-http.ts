import * as z from "zod";
import { readStrictJson } from "../core/strict-json-body";
import type { JsonValue } from "../index";
import type { KillSwitch } from "./kill-switch";

/** Milliseconds. Who takes longer has not revoked anything that one could rely on. */
const TIMEOUT_MS = 10_000;
/** Characters: of a list of tens of thousands of revocations. */
const MAX_LENGTH = 16 * 1_048_576;

const listSchema = z.looseObject({
  revocations: z.array(
    z.looseObject({
      target: z.record(z.string(), z.string()),
      at: z.string(),
      reason: z.string().exactOptional(),
      author: z.string().exactOptional(),
      expires_at: z.string().exactOptional(),
      issued_before: z.string().exactOptional(),
    }),
  ),
});
const errorSchema = z.looseObject({ error: z.string() });

/** The kill switch behind a `revocationHandler`. */
export function overHttp({ url, secret }: { readonly url: string; readonly secret: string }): KillSwitch {
  const ask = async (method: string, body?: object): Promise<JsonValue | undefined> => {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      // A redirect would take the secret with it.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = await readStrictJson(response.body, { maxLength: MAX_LENGTH }).catch(() => undefined);
    if (response.status === 200) return answer;
    const { success, data } = errorSchema.safeParse(answer);
    throw new Error(`${url} answered ${response.status}${success ? `: ${data.error}` : ""}`);
  };
  /** Many servers answer 200 to whatever they are asked: only the handler's own words prove that it was one. */
  const prove = (isProven: boolean): void => {
    if (!isProven) throw new Error(`${url} does not answer as a revocationHandler does: do not rely on it`);
  };

  return {
    revoke: async (target, details) => {
      const answer = await ask("POST", { target, ...details });
      prove(JSON.stringify(answer) === JSON.stringify({ revoked: target }));
    },
    restore: async (target) => {
      const answer = await ask("DELETE", { target });
      prove(JSON.stringify(answer) === JSON.stringify({ restored: target }));
    },
    list: async () => {
      const { success, data } = listSchema.safeParse(await ask("GET"));
      prove(success);
      return data?.revocations ?? [];
    },
  };
}
