/* eslint-disable @typescript-eslint/no-deprecated -- the suite does not say beforehand which authorization server is the right one */
import {
  Client,
  ClientCredentialsProvider,
  CrossAppAccessProvider,
  PrivateKeyJwtProvider,
  requestJwtAuthorizationGrant,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import type { Line } from "./line";
import { main } from "./main";

const mode = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === "2026-07-28" ? "auto" : undefined;

const line: Line = {
  create(url, { capabilities = {}, elicited, user, machine }, context) {
    const client = new Client(
      { name: "conformance-client", version: "1.0.0" },
      { capabilities, ...(mode && { versionNegotiation: { mode } }) },
    );
    if (elicited) {
      client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { ...elicited } }));
    }
    const authProvider = user ?? machine?.(context);
    const options = authProvider === undefined ? {} : { authProvider };
    return { client, transport: () => new StreamableHTTPClientTransport(url, options as object) };
  },
  machines: {
    privateKeyJwt: ({ client_id = "", private_key_pem = "", signing_algorithm = "ES256" }) =>
      new PrivateKeyJwtProvider({
        clientId: client_id,
        privateKey: private_key_pem,
        algorithm: signing_algorithm,
      }),
    clientCredentials: ({ client_id = "", client_secret = "" }) =>
      new ClientCredentialsProvider({ clientId: client_id, clientSecret: client_secret }),
    crossAppAccess: ({
      client_id = "",
      client_secret = "",
      idp_client_id = "",
      idp_id_token = "",
      idp_token_endpoint = "",
    }) =>
      new CrossAppAccessProvider({
        clientId: client_id,
        clientSecret: client_secret,
        assertion: async ({ authorizationServerUrl, resourceUrl, fetchFn }) => {
          const grant = await requestJwtAuthorizationGrant({
            tokenEndpoint: idp_token_endpoint,
            audience: authorizationServerUrl,
            resource: resourceUrl,
            idToken: idp_id_token,
            clientId: idp_client_id,
            fetchFn,
          });
          return grant.jwtAuthGrant;
        },
      }),
  },
};

await main(line);
