import { call, playScripts } from "../shared/play-scripts";
import { refund, REFUND_SCRIPTS } from "../support-desk/refund-scripts";
import { TASKS } from "../support-desk/tasks";

/** Plays the model for the local provider. */
export const scriptedModel = playScripts({
  ...REFUND_SCRIPTS,
  [TASKS.confused]: [
    // Where its tools are of no help, it tries its hand at the shell.
    () => ({
      toolCalls: [call("Bash", { command: "touch refunded", description: "Refund by hand" }), refund(1000)],
    }),
    () => ({ text: "Only one of the two went through." }),
  ],
});
