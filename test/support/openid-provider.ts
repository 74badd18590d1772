import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider, { type Client } from "oidc-provider";

/** What the directory says of each user. */
export type Directory = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A real OpenID provider on loopback. */
export interface OpenIdProvider {
  readonly issuer: string;
  /** The paths that were asked for. */
  readonly requests: readonly string[];
  /** An access token as a login of this user ends with. Lives for so many seconds, default an hour. */
  accessToken(
    user: string,
    options?: { readonly scope?: string; readonly expiresIn?: number },
  ): Promise<string>;
  /** A JWT for an API, with what the directory says of the user as claims. */
  jwt(user: string, options: { readonly audience: string; readonly expiresIn?: number }): Promise<string>;
  /** What the client itself gets at the token endpoint: a JWT for an API, in its own name. */
  clientCredentials(audience: string): Promise<string>;
  /** From now on tokens are signed with a new key, and only that one is published. */
  rotateKeys(): void;
  /** The user logs out: the provider says so to the client, and rejects unless it is answered with 200. */
  logOut(user: string, sid: string): Promise<void>;
  /** While it is down, every request is answered with a 503. */
  isDown: boolean;
  /** Takes a token back. */
  revoke(token: string): Promise<void>;
  stop(): Promise<void>;
}

/** Where the client hears of logouts, and whether it is told of which session. */
export interface LogoutAddress {
  readonly uri: string;
  readonly withSession: boolean;
}

/** Starts npm's `oidc-provider` with a directory of users. */
export async function startOpenIdProvider(
  directory: Directory,
  logout?: LogoutAddress,
): Promise<OpenIdProvider> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const claims = [...new Set(Object.values(directory).flatMap((user) => Object.keys(user)))];
  const newProvider = () =>
    new Provider(issuer, {
      jwks: { keys: [newKey()] },
      clients: [
        {
          client_id: "desk",
          client_secret: SECRET,
          redirect_uris: ["http://127.0.0.1/callback"],
          grant_types: ["authorization_code", "client_credentials"],
          id_token_signed_response_alg: "ES256",
          ...(logout && {
            backchannel_logout_uri: logout.uri,
            backchannel_logout_session_required: logout.withSession,
          }),
        },
      ],
      claims: { openid: ["sub"], work: claims },
      features: {
        devInteractions: { enabled: false },
        backchannelLogout: { enabled: true },
        clientCredentials: { enabled: true },
        resourceIndicators: { enabled: true, getResourceServerInfo: (_, audience) => api(audience) },
      },
      ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600 },
      clockTolerance: 0,
      // What it would send requests with goes to no loopback address.
      fetch: (url, { dispatcher: _, ...init }: RequestInit & { dispatcher?: unknown } = {}) =>
        fetch(url, init),
      extraTokenClaims: (_, token) => directory["accountId" in token ? token.accountId : "desk"],
      findAccount: (_, accountId) => ({
        accountId,
        claims: () => ({ sub: accountId, ...directory[accountId] }),
      }),
    });
  let provider = newProvider();
  const requests: string[] = [];
  server.on("request", (request, response) => {
    requests.push(request.url ?? "");
    if (openid.isDown) response.writeHead(503).end();
    else void provider.callback()(request, response);
  });

  const openid: OpenIdProvider = {
    isDown: false,
    issuer,
    requests,
    accessToken: async (accountId, { scope = "openid work", expiresIn = 3600 } = {}) => {
      const client = await provider.Client.find("desk");
      if (!client) throw new Error("the provider does not know its client");
      const grant = new provider.Grant({ accountId, clientId: client.clientId });
      grant.addOIDCScope(scope);
      const grantId = await grant.save();
      const token = new provider.AccessToken({
        accountId,
        client,
        expiresIn,
        grantId,
        gty: "authorization_code",
        scope,
      });
      return token.save();
    },
    jwt: async (accountId, { audience, expiresIn = 3600 }) => {
      const client = await provider.Client.find("desk");
      if (!client) throw new Error("the provider does not know its client");
      const token = new provider.AccessToken({
        accountId,
        client,
        expiresIn,
        grantId: `grant-of-${accountId}`,
        gty: "authorization_code",
        scope: "work",
        extra: directory[accountId],
        resourceServer: new provider.ResourceServer(audience, api(audience)),
      });
      return token.save();
    },
    clientCredentials: async (audience) => {
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`desk:${SECRET}`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: "work" }),
      });
      return ((await response.json()) as { access_token: string }).access_token;
    },
    rotateKeys: () => {
      provider = newProvider();
    },
    logOut: async (user, sid) => {
      const client = await provider.Client.find("desk");
      await (client as LogoutClient).backchannelLogout(user, sid);
    },
    revoke: async (value) => {
      const token = await provider.AccessToken.find(value);
      await token?.destroy();
    },
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return openid;
}

const SECRET = "a-secret";

/** What of a client its types leave out. */
type LogoutClient = Client & { backchannelLogout(sub: string, sid: string): Promise<void> };

/** Signs with its only key; the name of a key says nothing of its age. */
function newKey() {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { ...privateKey.export({ format: "jwk" }), kid: crypto.randomUUID(), alg: "ES256", use: "sig" };
}

const api = (audience: string) => ({
  audience,
  scope: "work",
  accessTokenFormat: "jwt" as const,
  jwt: { sign: { alg: "ES256" as const } },
});
