import { execFile } from "node:child_process";
import { ConfigurationError, type HopguardError } from "../../core/errors";
import { PdpStartError, PortTakenError } from "./errors";
import type { Settings } from "./options";
import { environment } from "./supervised";

/** What `cerbos compile` exits with when the policies are wrong. */
const DOES_NOT_COMPILE = 3;

/** Finds out why a PDP ended before it answered: from its log, else from the compiler, which names file and line. */
export async function diagnose(
  settings: Settings,
  run: {
    readonly ended: string;
    readonly log: string;
    readonly signal: AbortSignal;
  },
): Promise<HopguardError> {
  const { ended, log } = run;
  if (log.includes("strictEvaluation not found")) {
    return new ConfigurationError(
      `startPdp.strict: ${settings.binary} has no strict evaluation. It needs Cerbos 0.55 or newer; pass its path as \`binary\``,
    );
  }
  if (log.includes("address already in use")) {
    return new PortTakenError(`The PDP's port is taken:\n${log}`, { log });
  }
  const complaint = await compile(settings, run.signal);
  if (complaint !== undefined) {
    return new PdpStartError(`The policies in ${settings.policies} do not compile:\n${complaint}`, { log });
  }
  return new PdpStartError(`The PDP ${settings.binary} ${ended} before it answered:\n${log}`, { log });
}

/** The compiler's message, or undefined when it has nothing against the policies. */
function compile({ binary, policies }: Settings, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      binary,
      ["compile", "--skip-tests", "--no-color", policies],
      { cwd: policies, env: environment(), signal, killSignal: "SIGKILL" },
      (error, stdout) => resolve(error?.code === DOES_NOT_COMPILE ? stdout.trim() : undefined),
    );
  });
}
