import type { Session } from "../../core/session";
import { assertSession } from "../shared/assert-session";
import { HopguardCallbackHandler } from "./callback-handler";
import type { ToolGuard } from "./guarded-tool";
import { readToolCheckOptions, type ToolCheckOptions } from "./options";
import { runsOf } from "./runs";
import { ToolCalls } from "./tool-calls";

/** @throws {ConfigurationError} naming the wrong option. */
export function toolGuard(caller: string, session: Session, options: ToolCheckOptions): ToolGuard {
  assertSession(caller, session);
  const settings = readToolCheckOptions(caller, options);
  const { stepUp: _stepUp, nested, ...inherited } = settings;
  return {
    calls: new ToolCalls(caller, session, settings),
    runs: runsOf(session),
    nested: nested === "check" ? new HopguardCallbackHandler(session, inherited) : undefined,
  };
}
