export { guardTools, type GuardToolsOptions, type LocalTool, type LocalTools } from "./guard-tools";
