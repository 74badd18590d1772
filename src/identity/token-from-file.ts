import { filesFor } from "./node-files";

/**
 * A token that somebody else keeps fresh in a file: a JWT-SVID that SPIRE's agent or its helper writes, a projected token of Kubernetes. To be given as
 * `session({ token })`: the file is read on every hop, so that a renewed token counts at once. A file that cannot be read denies.
 *
 * @throws {ConfigurationError} where there are no files.
 */
export function tokenFromFile(path: string | URL): () => Promise<string> {
  const files = filesFor("tokenFromFile");
  return async () => (await files.readFile(path, "utf8")).trim();
}
