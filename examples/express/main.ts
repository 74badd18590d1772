import { run } from "./run";
import { serve } from "./serve";

process.exitCode = await run("an Express app that asks before it answers", { serve });
