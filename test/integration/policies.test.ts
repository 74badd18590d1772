import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pdpBinaries } from "../support/pdp-binaries";

describe("the policy pack", () => {
  it.each(pdpBinaries())("compiles and passes its own tests on PDP $version", async ({ binary }) => {
    const { stdout } = await promisify(execFile)(binary, ["compile", "--no-color", "policies"]);
    expect(stdout).toMatch(/[1-9]\d* tests executed \[\d+ OK\]/);
  });
});
