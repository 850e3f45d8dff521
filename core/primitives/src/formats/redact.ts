/**
 * Shapes that secrets have when they turn up inside other people's sentences: a server that quotes the token in its
 * error, a URL with a password, a header that was logged (notes/ca.md P4).
 */
const secrets: readonly (readonly [RegExp, string])[] = [
  // JSON Web Tokens: three base64url parts of which the first opens an object. The signature may be cut off.
  [/\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?/g, '[token]'],
  [/\bnpm_[A-Za-z0-9]{20,}/g, '[npm token]'],
  // A digit is asked for, so that prose about "basic authentication" stays readable.
  [/\b(bearer|basic)(\s+|%20)(?=[\w.~+/=-]*\d)[\w.~+/=-]{12,}/gi, '$1$2[secret]'],
  [
    /\b(_authToken|_auth|_password|otp|password|client_secret|code_verifier|refresh_token)(=|"\s*:\s*")[^\s"'&,;}]+/gi,
    '$1$2[secret]',
  ],
  [/([?&](?:code|token|id_token|access_token|refresh_token)=)[^\s"'&#]+/gi, '$1[secret]'],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, '$1[secret]@'],
];

/**
 * `text` without what looks like a secret: JSON Web Tokens, npm tokens, Authorization values, passwords in URLs and
 * settings. The last line of defence before something is printed or thrown; code that holds a secret does not put it
 * into a sentence in the first place.
 *
 * @param known exact secrets that this process holds; each occurrence is removed whatever it looks like
 */
export function redact(text: string, known: readonly string[] = []): string {
  let clean = text;
  for (const secret of known) {
    if (secret.length >= 8) clean = clean.replaceAll(secret, '[secret]');
  }
  for (const [shape, replacement] of secrets) clean = clean.replace(shape, replacement);
  return clean;
}
