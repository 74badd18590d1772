import { cpus } from "node:os";
import { check, list1000, parallel50 } from "./decisions";
import { floor, grpc } from "./others";
import { http } from "./http";
import { identity } from "./identity";
import { memory } from "./memory";
import { state } from "./state";
import { stream, streamTools } from "./stream";
import { startWorkload } from "./workload";

const BENCHMARKS = {
  check,
  parallel50,
  list1000,
  stream,
  stream_tools: streamTools,
  state,
  identity,
  http,
  grpc,
  floor,
  memory,
};
type Name = keyof typeof BENCHMARKS;

const USAGE = `npm run bench [-- [--json] [NAME ...]]

Times the guard against the bare PDP client, both sides in one run, interleaved, against one PDP. Figures are medians in
milliseconds; trust the ratios, since machines differ.

  --json   print one object
  NAME     ${Object.keys(BENCHMARKS).join(", ")}; default: all`;

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(USAGE);
  process.exit();
}
const json = args.includes("--json");
const names = args.filter((arg) => arg !== "--json");
const unknown = names.find((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown !== undefined) {
  console.error(`There is no benchmark "${unknown}".\n\n${USAGE}`);
  process.exit(2);
}

const workload = await startWorkload();
const results: Record<string, unknown> = {
  machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, Node ${process.versions.node}`,
};
try {
  for (const name of (names.length > 0 ? names : Object.keys(BENCHMARKS)) as Name[]) {
    if (!json) console.log(`\n${name}`);
    const result = await BENCHMARKS[name](workload);
    results[name] = result;
    if (!json)
      for (const [key, value] of Object.entries(result))
        console.log(`  ${key.padEnd(24)} ${String(value).padStart(10)}`);
  }
  if (json) console.log(JSON.stringify(results, undefined, 2));
  else console.log(`\n${String(results.machine)}`);
} finally {
  await workload.stop();
}
