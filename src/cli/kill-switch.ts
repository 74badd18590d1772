import type { Revocation, RevocationDetails, RevocationTarget } from "../index";

/** Where the guards are told. */
export interface Place {
  readonly url?: string;
  readonly redis?: string;
  readonly namespace?: string;
}

export interface KillSwitch {
  revoke(target: RevocationTarget, details: RevocationDetails): Promise<void>;
  restore(target: RevocationTarget): Promise<void>;
  list(): Promise<readonly Revocation[]>;
}

/** @throws {Error} saying which option is missing, or what went wrong there. */
export async function withKillSwitch<T>(
  place: Place,
  use: (killSwitch: KillSwitch) => Promise<T>,
): Promise<T> {
  const { url, redis, namespace } = place;
  if ((url === undefined) === (redis === undefined)) throw new Error("give either --url or --redis");
  if (url !== undefined) return use(overHttp(url));
  const { redisState } = await import("../state/redis");
  const state = redisState({ url: redis as string, ...(namespace !== undefined && { namespace }) });
  try {
    const { revocations } = state;
    return await use({
      revoke: async (target, details) =>
        revocations.revoke({ ...details, target, at: new Date().toISOString() }),
      restore: async (target) => revocations.restore(target),
      list: async () => revocations.list(),
    });
  } finally {
    await state.close();
  }
}

/** A server that takes longer has not revoked anything that one could rely on. */
const TIMEOUT_MS = 10_000;

function overHttp(url: string): KillSwitch {
  const { HOPGUARD_SECRET: secret } = process.env;
  if (!secret) throw new Error("HOPGUARD_SECRET is not set: it is the secret of the revocationHandler");
  const ask = async (method: string, body?: object): Promise<unknown> => {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      // A redirect would take the secret with it.
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json().catch(() => ({}))) as { readonly error?: string };
    if (response.ok) return answer;
    throw new Error(
      `${url} answered ${response.status}${answer.error === undefined ? "" : `: ${answer.error}`}`,
    );
  };
  return {
    revoke: async (target, details) => {
      await ask("POST", { target, ...details });
    },
    restore: async (target) => {
      await ask("DELETE", { target });
    },
    list: async () => ((await ask("GET")) as { readonly revocations: readonly Revocation[] }).revocations,
  };
}
