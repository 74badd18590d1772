// Weighs each subpath of what was built last, and looks at everything that it loads; bundle-limits.mjs says what is allowed.
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { limits } from "./bundle-limits.mjs";
import { subpaths } from "./subpaths.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

const PACKAGE = /node_modules\/((?:@[^/]+\/)?[^/]+)/;

/** What a dynamic import leads to is loaded later, if at all: it is named and not weighed. */
const later = {
  name: "dynamic imports stay outside",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^[^.]/ }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, external: true } : undefined,
    ),
};

async function weigh(file, options) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`dist/${file}.js`],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["node:*"],
    plugins: [later],
    write: false,
    metafile: true,
    logLevel: "error",
    ...options,
  });
  const inputs = Object.entries(metafile.inputs);
  const loaded = [
    ...inputs.flatMap(([path]) => PACKAGE.exec(path)?.[1] ?? []),
    ...inputs.flatMap(([, { imports }]) =>
      imports.filter(({ external }) => external).map(({ path }) => path),
    ),
  ];
  return {
    kB: brotliCompressSync(outputFiles[0].contents).length / 1000,
    loaded: [...new Set(loaded)].sort(),
  };
}

/** Of Node's modules, which are many, only the number. */
function summary(loaded) {
  const node = loaded.filter((path) => path.startsWith("node:"));
  const packages = loaded.filter((path) => !node.includes(path));
  return [...packages, ...(node.length > 0 ? [`node:* (${node.length})`] : [])].join(", ");
}

const problems = [];
const row = (name, own, bundled, loads) =>
  console.log([name.padEnd(20), own.padStart(12), bundled.padStart(14), ` ${loads}`].join(" "));

row("subpath", "own kB", "bundled kB", "loads");
for (const { name, file } of subpaths) {
  const limit = limits[name];
  if (limit === undefined) {
    problems.push(`${name} has no ceiling in scripts/bundle-limits.mjs`);
    continue;
  }
  const own = await weigh(file, { packages: "external" });
  const bundled = await weigh(file, { external: ["node:*", ...(limit.outside ?? [])] });
  const of = ({ kB }, ceiling) => `${kB.toFixed(1)} of ${ceiling}`;
  row(name, of(own, limit.own), of(bundled, limit.bundled), summary(bundled.loaded));

  const heavy = (what) => `${name} ${what}: more than bundle-limits.mjs allows`;
  if (own.kB > limit.own) problems.push(heavy(`weighs ${own.kB} kB of our own`));
  if (bundled.kB > limit.bundled) problems.push(heavy(`weighs ${bundled.kB} kB bundled`));
  for (const path of bundled.loaded) {
    if (limit.never.some((pattern) => pattern.test(path))) problems.push(heavy(`loads ${path}`));
  }
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
