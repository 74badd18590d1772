import type { JsonRpcResponse } from "../mcp/json-rpc";
import type { SendOptions } from "../mcp/transport";
import type { JointAllow } from "../shared/joint-decision";

/** What has become of a message that came in by HTTP. */
export type Outcome =
  | { readonly kind: "passed"; readonly message: object; readonly decision: JointAllow | undefined }
  | { readonly kind: "answered"; readonly answer: JsonRpcResponse }
  /** Nobody waits for it any more, or it answers nothing that was asked. */
  | { readonly kind: "dropped" };

/** One message on its way from an HTTP request to the transport that serves it: it is decided in between. */
export class Exchange {
  #outcome: Outcome | undefined;
  #isTaken = false;
  /** The denial of a request that was let past already, where authority was withdrawn before a transport had it. */
  #withdrawn: object | undefined;
  readonly #deciding = new AbortController();
  readonly #ending = new AbortController();

  /** Ends the check when the client goes meanwhile. Later that is no cancellation: the client may come back for the rest of the stream. */
  constructor(gone: AbortSignal) {
    const giveUp = (): void => {
      if (!this.#outcome) this.#deciding.abort();
    };
    if (gone.aborted) giveUp();
    else gone.addEventListener("abort", giveUp, { once: true });
  }

  /** For the check. */
  get options(): SendOptions & { readonly exchange: Exchange } {
    return { requestSignal: this.#deciding.signal, exchange: this };
  }

  /** Aborted when the HTTP answer must end because no transport can say that authority is withdrawn. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  get outcome(): Outcome {
    return this.#outcome ?? { kind: "dropped" };
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  pass(message: object, decision: JointAllow | undefined): void {
    this.#outcome ??= { kind: "passed", message, decision };
  }

  /** A denial, of the check or of a call under way. */
  answer(answer: JsonRpcResponse): void {
    if (!this.#outcome) {
      this.#outcome = { kind: "answered", answer };
      return;
    }
    this.#withdrawn = answer;
    this.#ending.abort();
  }

  /** For the transport that serves the request: what to hand the server, or the denial, once. */
  take(): { readonly message: object; readonly denial: object | undefined } | undefined {
    if (this.#isTaken || this.#outcome?.kind !== "passed") return undefined;
    this.#isTaken = true;
    return { message: this.#outcome.message, denial: this.#withdrawn };
  }
}
