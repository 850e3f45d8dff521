/** A token as a provider would issue it; its signature is nobody's, as clients do not check it. */
export function unsignedToken(claims: Readonly<Record<string, unknown>> = {}): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const all = {
    iss: 'https://login.example',
    sub: 'subject-1',
    aud: 'sigstore',
    exp: Math.floor(Date.now() / 1000) + 300,
    ...claims,
  };
  return `${encode({ alg: 'RS256' })}.${encode(all)}.${Buffer.from('not-a-real-signature').toString('base64url')}`;
}
