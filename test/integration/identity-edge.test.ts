import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { AUDIENCE, goodClaims } from "../support/bad-tokens";
import type * as worker from "../support/edge-identity";
import { TokenSigner } from "../support/token-signer";

let deployed: typeof worker;

beforeAll(async () => {
  // An import of Node's fails here: nothing resolves it.
  const { outputFiles } = await build({
    entryPoints: ["test/support/edge-identity.ts"],
    bundle: true,
    format: "iife",
    globalName: "worker",
    platform: "neutral",
    mainFields: ["module", "main"],
    write: false,
  });
  deployed = new EdgeVM().evaluate<typeof worker>(`${outputFiles[0]?.text ?? ""}; worker`);
});

describe("identity in an edge runtime", () => {
  it("is verified with keys that the issuer publishes, and refused all the same", async () => {
    const signer = new TokenSigner();
    const issuer = await serve(async (request) => {
      const { origin, pathname } = new URL(request.url);
      return Response.json(
        pathname === "/jwks" ? await signer.jwks() : { issuer: origin, jwks_uri: `${origin}/jwks` },
      );
    });
    onTestFinished(() => issuer.stop());
    const options = { issuer: issuer.url, audience: AUDIENCE };
    const claims = { ...goodClaims(), iss: issuer.url };
    for (const kid of ["es-1", "rsa-1"] as const)
      expect(await deployed.whoIs(options, await signer.sign(claims, { kid }))).toBe("clerk-1 by jwt");
    for (const token of [
      await signer.sign({ ...claims, aud: "x" }),
      await signer.sign(claims, { kid: "foreign-1" }),
      "a-token",
    ])
      await expect(deployed.whoIs(options, token)).rejects.toThrow();
  });

  it("has no files, and says so where they are asked for", () => {
    expect([...deployed.withoutFiles()]).toEqual([
      expect.stringMatching(
        /ConfigurationError: spiffe\.trustDomains\.acme\.example\.bundle: files need Node/,
      ),
      expect.stringMatching(/ConfigurationError: tokenFromFile: files need Node/),
    ]);
  });
});
