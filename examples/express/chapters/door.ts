import assert from "node:assert/strict";
import { openLogin } from "../../shared/login";
import { ADA, BEN, callerWith, bySdk, HELLO, loggedIn } from "../caller";
import { refused, type Scene } from "../scene";
import { AUDIENCE } from "../stage";

const nobody = { status: 401, code: "unauthenticated" } as const;

/** Callers of whom nobody knows who they are. */
export async function comeAsNobody(scene: Scene): Promise<void> {
  const { stage, tell } = scene;
  const stranger = callerWith(stage);
  const { headers } = await refused(scene, "a refund without a token", nobody, () =>
    stranger.refund("P-9001", 1),
  );
  const challenge = headers.get("www-authenticate") ?? "";
  assert.match(challenge, /^Bearer (?!.*error=)/);
  tell(`www-authenticate: ${challenge}`);

  // The same issuer, as it says, and other keys.
  const forger = await openLogin();
  const forged = callerWith(stage, await forger.token(ADA, AUDIENCE));
  const model = { model: "gpt-4o-mini", messages: HELLO };
  const answer = await refused(scene, "a model, with a token that somebody else has signed", nobody, () =>
    bySdk(forged.openai.chat.completions.create(model)),
  );
  assert.match(answer.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
  await refused(scene, "a refund, with the same", nobody, () => forged.refund("P-9001", 1));
}

/** What has more than one reading, or none, is nobody's to decide. */
export async function sayItTwice(scene: Scene): Promise<void> {
  const ben = await loggedIn(scene.stage, BEN);
  const chat = "/openai/v1/chat/completions";
  const messages = `"messages":[{"role":"user","content":"hello"}]`;
  const twice = `{"model":"gpt-4o-mini",${messages},"model":"gpt-4o"}`;
  await refused(scene, "a body that names two models", { status: 400 }, () => ben.post(chat, twice));
  await refused(scene, "a body as text", { status: 415 }, () =>
    ben.post(chat, `{${messages}}`, "text/plain"),
  );
  const elsewhere = "/openai/v1//chat/completions";
  await refused(scene, "a path that is almost the API's", { status: 403, code: "unsupported_hop" }, () =>
    ben.post(elsewhere, `{"model":"gpt-4o-mini",${messages}}`),
  );
}
