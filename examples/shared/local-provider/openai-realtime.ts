import { jsonBody, type Endpoint } from "./endpoint";
import { newId, unixSeconds } from "./wire";

/** `POST /v1/realtime/client_secrets`: a key that is good for one session. */
export const clientSecrets: Endpoint = (exchange) => {
  const { session } = jsonBody(exchange);
  return Response.json({ value: newId("ek_"), expires_at: unixSeconds() + 600, session });
};
