import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

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
  /** Takes a token back. */
  revoke(token: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts npm's `oidc-provider` with a directory of users. */
export async function startOpenIdProvider(directory: Directory): Promise<OpenIdProvider> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const claims = [...new Set(Object.values(directory).flatMap((user) => Object.keys(user)))];
  const provider = new Provider(issuer, {
    clients: [{ client_id: "desk", client_secret: "a-secret", redirect_uris: ["http://127.0.0.1/callback"] }],
    claims: { openid: ["sub"], work: claims },
    features: { devInteractions: { enabled: false } },
    ttl: { AccessToken: 3600, Grant: 3600 },
    clockTolerance: 0,
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, ...directory[accountId] }),
    }),
  });
  const requests: string[] = [];
  const answer = provider.callback();
  server.on("request", (request, response) => {
    requests.push(request.url ?? "");
    void answer(request, response);
  });

  return {
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
}
