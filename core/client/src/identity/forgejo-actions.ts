import { actionsToken, isForgejo } from './github-actions.ts';
import type { TokenSource } from './token-source.ts';

/**
 * Forgejo Actions, which has GitHub's contract under a switch of its own.
 *
 * Source: Forgejo, "Security OpenID Connect".
 */
export const forgejoActionsToken: TokenSource = actionsToken({
  name: 'Forgejo Actions',
  isHere: isForgejo,
  advice: 'enable-openid-connect: true',
});
