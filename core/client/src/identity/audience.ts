import { SignetError } from '@signet/primitives/formats';
import type { IdentityToken } from './identity-token.ts';

/**
 * Demands that the token is made out for the certificate authority. A token for another service would be refused there
 * anyway, and must not be shown to a service that it is not for.
 *
 * @throws ERR_IDENTITY_TOKEN_AUDIENCE
 */
export function assertAudience(token: IdentityToken, audience: string): void {
  if (token.audiences.includes(audience)) return;
  throw new SignetError('ERR_IDENTITY_TOKEN_AUDIENCE', 'the identity token is made out for another audience', {
    expected: audience,
    found: token.audiences.join(', '),
  });
}
