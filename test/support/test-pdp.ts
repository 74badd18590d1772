import { startPdp, type LocalPdp, type StartPdpOptions } from "hopguard/pdp";
import { pdpBinaries } from "./pdp-binaries";

/** A PDP to test with: a binary, and how strictly it evaluates. */
export interface TestPdp {
  readonly name: string;
  readonly binary: string;
  readonly strict: boolean;
}

/** Those that hopguard is tested with, oldest first: `0.51`, and where npm has it `0.55` and `0.55-strict`. */
export function testPdps(): readonly TestPdp[] {
  return pdpBinaries().flatMap(({ version, binary }) => {
    const name = version.replace(/\.\d+$/, "");
    const pdp = { name, binary, strict: false };
    // Before 0.55 the engine had no such setting.
    return name === "0.51" ? [pdp] : [pdp, { name: `${name}-strict`, binary, strict: true }];
  });
}

/** The one that `HOPGUARD_TEST_PDP` names, or else the oldest. `npm run matrix` runs the tests with each. */
function chosenPdp(): TestPdp {
  const { HOPGUARD_TEST_PDP: wanted = "0.51" } = process.env;
  const pdps = testPdps();
  const pdp = pdps.find(({ name }) => name === wanted);
  if (pdp) return pdp;
  const names = pdps.map(({ name }) => name).join(", ");
  throw new Error(`HOPGUARD_TEST_PDP: there is no ${wanted} here, only ${names}`);
}

/** Starts the chosen PDP, or the one that a test asks for. */
export function startTestPdp(
  options: Omit<StartPdpOptions, "binary" | "strict">,
  { binary, strict }: TestPdp = chosenPdp(),
): Promise<LocalPdp> {
  return startPdp({ watch: false, ...options, binary, strict });
}
