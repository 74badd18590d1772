import { jsonLinesFile } from "hopguard/audit";
import { openSession } from "../session";
import type { Line } from "./line";
import { play } from "./scenarios";

/** `[<PDP's URL> <audit file>] <server's URL>`: with the first two the client is guarded. The suite appends the last. */
export async function main(line: Line): Promise<never> {
  const args = process.argv.slice(2);
  const [pdpUrl, auditFile] = args.length > 1 ? args : [];
  const session =
    pdpUrl !== undefined && auditFile !== undefined
      ? await openSession(pdpUrl, jsonLinesFile(auditFile))
      : undefined;
  try {
    await play(line, new URL(args.at(-1) ?? ""), session);
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
