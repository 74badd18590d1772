import { byIssuer, jwt, spiffe, tokenFromFile, type JwtOptions } from "hopguard/identity";

/** Verifies a token as an edge function would; resolves to who it speaks for. */
export async function whoIs(options: JwtOptions, token: string): Promise<string> {
  const identity = byIssuer(
    jwt(options),
    spiffe({
      trustDomains: { "acme.example": { bundle: "https://acme.example/bundle" } },
      audience: options.audience,
      roles: {},
    }),
  );
  const { principal, auth } = await identity.verify(token);
  return `${principal.id} by ${auth.method}`;
}

/** What comes of asking for files where there are none. */
export function withoutFiles(): string[] {
  const trustDomains = { "acme.example": { bundle: "/run/bundle.json" } };
  return [
    () => spiffe({ trustDomains, audience: "x", roles: {} }),
    () => tokenFromFile("/run/svid.token"),
  ].map((ask) => {
    try {
      ask();
      return "nothing happened";
    } catch (error) {
      return String(error);
    }
  });
}
