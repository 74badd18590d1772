const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether whoever is asked there is on this very machine. */
export const isLoopback = (url: string): boolean => LOOPBACK.test(new URL(url).hostname);

/**
 * Whether nobody on the way can put keys of his own in the place of an answer: `https`, or loopback. With credentials in it `fetch` asks nobody, and its
 * error shows them.
 */
export function isSecureUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  if (username || password) return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(url));
}

export const SECURE_URL = "expected an https URL (http on loopback only) without credentials";
