/** Somebody who may pull the kill switch, by name where that is known. */
export interface Author {
  readonly author?: string;
}

/** Admits whoever bears the secret. Digests are compared, and all of them, so that time tells nothing of it. */
export function bearer(secret: string): (request: Request) => Promise<Author | undefined> {
  return async ({ headers }) => {
    const [, given = ""] = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "") ?? [];
    const [wanted, found] = await Promise.all([digest(secret), digest(given)]);
    const difference = wanted.reduce((sum, byte, index) => sum | (byte ^ (found[index] ?? 0)), 0);
    return difference === 0 ? {} : undefined;
  };
}

/** Admits whom the operator's function names. Anything that is no name, and an exception, is nobody. */
export function named(
  authorize: (request: Request) => unknown,
): (request: Request) => Promise<Author | undefined> {
  return async (request) => {
    try {
      // A copy: a function that verifies a signature over the body reads it.
      const name = await authorize(request.clone());
      return typeof name === "string" && name !== "" ? { author: name } : undefined;
    } catch {
      return undefined;
    }
  };
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
