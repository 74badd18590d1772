import pc from "picocolors";
import { run } from "../express/run";
import { serve } from "./serve";

process.exitCode = await run("a Hono app that asks before it answers, here on Node", { serve });
console.log(pc.dim("   The same app for an edge runtime: examples/hono/worker.ts\n"));
