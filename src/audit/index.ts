/**
 * Sinks for audit records.
 *
 * @module hopguard/audit
 */
export { jsonLinesFile, type JsonLinesFileOptions, type JsonLinesFile } from "./json-lines-file";
export { jsonLine } from "./json-line";
export { stderrLines } from "./stderr-lines";
