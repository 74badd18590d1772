// Uses the packed tarball as other people's projects do: every name of every subpath without any SDK, and then a program with all of them.
// Types are checked with `skipLibCheck: false`, so that our declarations stand on their own.
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { inPackedProject } from "./packed-project.mjs";
import { subpaths, tested } from "./subpaths.mjs";

const SDKS = [
  "@anthropic-ai/sdk",
  "@cerbos/http",
  "@modelcontextprotocol/client",
  "@modelcontextprotocol/sdk",
  "cerbos",
  "openai",
];
const WEB = ["DOM", "DOM.Iterable", "DOM.AsyncIterable"];

/** The two ways in which TypeScript finds a package today: for a server with Node's types, for a bundler with the web's only. */
const server = { module: "node16", moduleResolution: "node16", lib: ["ES2022"], types: ["node"] };
const bundler = { module: "esnext", moduleResolution: "bundler", lib: ["ES2022", ...WEB], types: [] };

/** Frameworks whose own types our declarations build on. That nothing else loads them, check-size.mjs sees to. */
const FRAMEWORKS = ["hono", "langchain", "@langchain/core", "@langchain/langgraph", "@openai/agents"];

/** Declarations that build on Node's. */
const NODES = ["hopguard/express"];

/** Declarations that build on some which do not stand on their own. */
const UNSOUND = ["hopguard/langchain"];

inPackedProject(({ root, folder, run, write, install }) => {
  const compile = (options, files) => {
    const compilerOptions = {
      skipLibCheck: false,
      ...options,
      target: "ES2022",
      // `await using`, which hopguard/pdp declares.
      lib: [...options.lib, "ESNext.Disposable"],
      strict: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      outDir: "out",
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
    run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."]);
    console.log(`compiled for ${options.moduleResolution}: ${files.join(" ")}`);
  };

  install(tested("typescript"), tested("@types/node"), ...FRAMEWORKS.map(tested));
  for (const subpath of subpaths) write(`${subpath.file}.ts`, everyName(folder, subpath));
  const files = (without) =>
    subpaths.filter(({ name }) => !without.includes(name)).map(({ file }) => `${file}.ts`);
  compile(bundler, files([...NODES, ...UNSOUND]));
  compile(server, files(UNSOUND));
  compile({ ...server, lib: [...server.lib, ...WEB], skipLibCheck: true }, files([]));
  const runEach = (how) => {
    for (const { name, file } of subpaths) {
      run(process.execPath, [`out/${file}.js`]);
      console.log(`runs ${how}: ${name}`);
    }
  };
  runEach("without any SDK");
  // A project may have them already, as old as we say that they may be.
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  install(...Object.entries(dependencies).map(([name, range]) => `${name}@${range.replace("^", "")}`));
  runEach("with the oldest dependencies");

  install(...SDKS.map(tested));
  copyFileSync(join(root, "test/fixtures/consumer/app.ts"), join(folder, "app.ts"));
  compile({ ...bundler, types: ["node"] }, ["app.ts"]);
  // MCP SDK 1 declares its transports with the web's types.
  compile({ ...server, lib: [...server.lib, ...WEB] }, ["app.ts"]);
  process.stdout.write(run(process.execPath, ["out/app.js"]));
});

/** A module that uses every name that a subpath's declarations export. */
function everyName(folder, { name, file }) {
  const path = join(folder, "node_modules/hopguard/dist", `${file}.d.ts`);
  const program = ts.createProgram([path], {});
  const checker = program.getTypeChecker();
  const values = [];
  const types = [];
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    (target.flags & ts.SymbolFlags.Value ? values : types).push(symbol.name);
  }
  return [
    `export { ${values.join(", ")} } from "${name}";`,
    `export type { ${types.join(", ")} } from "${name}";`,
    // Declarations and code are made by two compilers: neither may export what the other does not.
    `import * as module from "${name}";`,
    `const names = Object.keys(module).sort().join();`,
    `if (names !== "${values.sort().join()}") throw new Error("${name} exports " + names);`,
  ].join("\n");
}
