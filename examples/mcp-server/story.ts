import assert from "node:assert/strict";
import {
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
} from "@modelcontextprotocol/client";
import { findDenial, type DenialCode } from "hopguard";
import type { User } from "../shared/login";
import { openClient, type OpenClient } from "./client";
import type { PaymentsServer, Stage } from "./stage";

const BEN: User = { id: "u-1042", roles: ["support"] };
const ADA: User = { id: "u-2001", roles: ["lead"] };

/** What the parts of the story share. */
export interface Scene {
  readonly stage: Stage;
  readonly tell: (line: string) => void;
}

/** Plays it all, and throws when anything ends otherwise than told. */
export async function playStory(scene: Scene, chapter: (title: string) => void): Promise<void> {
  const { express, web } = scene.stage;

  chapter("Somebody without a token asks for the payments server, and finds out where to get one");
  await comeAsNobody(scene, express);
  await comeAsNobody(scene, web);

  chapter("Ben and Ada open it: SDK 1 behind Express, with sessions");
  const sessions = await openForBoth(scene, express, [1, 2]);
  await refundPayments(scene, express, sessions);

  chapter("The same server on SDK 2, on the web's Request and Response, without sessions");
  await refundPayments(scene, web, await openForBoth(scene, web, [2, 1]));

  chapter("Somebody takes what is another's");
  await takeASession(scene, express, sessions);
  await takeAToken(scene, express, web);
}

async function comeAsNobody({ tell }: Scene, { url }: PaymentsServer): Promise<void> {
  const answer = await post(url, { method: "tools/list" });
  assert.equal(answer.status, 401);
  const { resourceMetadataUrl } = extractWWWAuthenticateParams(answer);
  const metadata = await discoverOAuthProtectedResourceMetadata(url, {
    ...(resourceMetadataUrl && { resourceMetadataUrl }),
  });
  assert.equal(metadata.resource, url);
  tell(`→ 401, and a client finds: a token for ${url} from ${String(metadata.authorization_servers)}`);
}

interface Both {
  readonly ben: OpenClient;
  readonly ada: OpenClient;
}

async function openForBoth(
  { stage, tell }: Scene,
  { url }: PaymentsServer,
  lines: readonly [1 | 2, 1 | 2],
): Promise<Both> {
  const ben = await openClient(stage, lines[0], url, await stage.login.token(BEN, url));
  const ada = await openClient(stage, lines[1], url, await stage.login.token(ADA, url));
  const [toBen, toAda] = [await ben.tools(), await ada.tools()];
  assert.deepEqual(toBen, ["payment_get"]);
  assert.deepEqual(toAda, ["payment_get", "refund_issue"]);
  tell(
    `Ben's client (SDK ${lines[0]}) is shown ${toBen.join(", ")}; Ada's (SDK ${lines[1]}) ${toAda.join(", ")}`,
  );
  return { ben, ada };
}

const refund = (amount_cents: unknown) => ({ payment_id: "P-9001", ticket_id: "T-1001", amount_cents });

async function refundPayments(scene: Scene, server: PaymentsServer, { ben, ada }: Both): Promise<void> {
  const { tell } = scene;
  assert.match(JSON.stringify(await ben.call("payment_get", { payment_id: "P-9001" })), /1200000/);
  await denied(scene, server, "Ben calls what he was not shown", "policy_denied", () =>
    ben.call("refund_issue", refund(100)),
  );
  await denied(scene, server, "Ada gives 9,000 dollars back", "policy_denied", () =>
    ada.call("refund_issue", refund(900_000)),
  );
  await denied(scene, server, "Ada, with an amount in quotes", "arguments_invalid", () =>
    ada.call("refund_issue", refund("4000")),
  );
  await ada.call("refund_issue", refund(40_000));
  assert.deepEqual(refunds(server), [40_000]);
  tell("Ada gives 400 dollars back: the one refund in the ledger");
}

/** Plays a call that must be denied, for this reason, without the tool having run. */
async function denied(
  { tell }: Scene,
  server: PaymentsServer,
  what: string,
  code: DenialCode,
  call: () => Promise<unknown>,
): Promise<void> {
  tell(`${what}:`);
  const before = refunds(server);
  const denial = findDenial(await call());
  assert.equal(denial?.code, code, `${what}: this was not denied with ${code}`);
  assert.deepEqual(refunds(server), before, `${what}: the tool was not to run`);
  tell(`→ a result that the model reads: ${denial.reason}`);
}

const refunds = ({ desk }: PaymentsServer): readonly number[] =>
  [...desk.payments.values()].flatMap(({ refunds }) => refunds.map(({ amount_cents }) => amount_cents));

async function takeASession({ stage, tell }: Scene, { url }: PaymentsServer, { ben }: Both): Promise<void> {
  const { sessionId = "" } = ben;
  const adas = await stage.login.token(ADA, url);
  const [taken, unknown] = await Promise.all(
    [sessionId, crypto.randomUUID()].map((id) => post(url, { method: "tools/list" }, adas, id)),
  );
  assert.deepEqual([taken?.status, unknown?.status], [404, 404]);
  assert.equal(await taken?.text(), await unknown?.text());
  tell("Ada names Ben's MCP session: 404, word for word as for a session that there is not");
}

async function takeAToken(
  { stage, tell }: Scene,
  express: PaymentsServer,
  web: PaymentsServer,
): Promise<void> {
  const forExpress = await stage.login.token(ADA, express.url);
  const answer = await post(web.url, { method: "tools/list" }, forExpress);
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
  tell("the first server's operator tries Ada's token on the second: 401, it is not for that one");
}

/** A message as it is on the wire. */
function post(url: string, message: object, token?: string, session?: string): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(session !== undefined && { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }),
  });
}
