import type {
  OAuthClientInformationFull,
  OAuthClientMetadata,
  OAuthTokens,
} from "@modelcontextprotocol/client";

/** The suite's authorization servers redirect there; nobody listens. */
const REDIRECT_URL = "http://localhost:3000/callback";

/** Where a client's metadata can be had instead of a registration. The suite compares the URL and never opens it. */
const METADATA_URL = "https://conformance-test.local/client-metadata.json";

/** What an authorization server sends back to the redirect URL. */
export interface AuthorizationResponse {
  readonly code: string;
  /** RFC 9207. */
  readonly iss: string | undefined;
}

/** Keeps everything in memory, and follows the redirect itself: the suite's users consent at once. Fits both lines of the SDK. */
export class SelfConsentingUser {
  readonly redirectUrl = REDIRECT_URL;
  readonly clientMetadataUrl: string | undefined;
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: "hopguard-conformance",
    redirect_uris: [REDIRECT_URL],
  };
  #client: OAuthClientInformationFull | undefined;
  #tokens: OAuthTokens | undefined;
  #verifier: string | undefined;
  #response: AuthorizationResponse | undefined;

  /** @param registered - Credentials that were handed out beforehand: nothing is registered then. */
  constructor(registered?: { readonly client_id: string; readonly client_secret: string }) {
    this.clientMetadataUrl = registered ? undefined : METADATA_URL;
    this.#client = registered && { ...registered, redirect_uris: [REDIRECT_URL] };
  }

  clientInformation(): OAuthClientInformationFull | undefined {
    return this.#client;
  }

  saveClientInformation(client: OAuthClientInformationFull): void {
    this.#client = client;
  }

  tokens(): OAuthTokens | undefined {
    return this.#tokens;
  }

  saveTokens(tokens: OAuthTokens): void {
    this.#tokens = tokens;
  }

  codeVerifier(): string {
    if (this.#verifier === undefined) throw new Error("No authorization is under way.");
    return this.#verifier;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): void {
    if (scope === "all" || scope === "client") this.#client = undefined;
    if (scope === "all" || scope === "tokens") this.#tokens = undefined;
    if (scope === "all" || scope === "verifier") this.#verifier = undefined;
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    const answer = await fetch(url, { redirect: "manual" });
    const { searchParams } = new URL(answer.headers.get("location") ?? "", url);
    const code = searchParams.get("code");
    if (code === null) throw new Error("The authorization server sent no code.");
    this.#response = { code, iss: searchParams.get("iss") ?? undefined };
  }

  /** What the last redirect brought, once. */
  takeResponse(): AuthorizationResponse | undefined {
    const response = this.#response;
    this.#response = undefined;
    return response;
  }
}
