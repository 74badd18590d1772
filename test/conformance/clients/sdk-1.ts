/* eslint-disable @typescript-eslint/no-deprecated -- the suite does not say beforehand which authorization server is the right one */
import {
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
} from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Line } from "./line";
import { main } from "./main";

const line: Line = {
  create(url, { capabilities = {}, elicited, user, machine }, context) {
    const client = new Client({ name: "conformance-client", version: "1.0.0" }, { capabilities });
    if (elicited) {
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { ...elicited } }));
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
  },
};

await main(line);
