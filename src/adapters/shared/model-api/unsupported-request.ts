/** A request that is a hop which nobody can decide. The message names the option that admits it. */
export class UnsupportedRequestError extends Error {
  override readonly name = "UnsupportedRequestError";
}
