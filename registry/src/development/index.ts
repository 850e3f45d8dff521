export { createDevelopmentKeys, type DevelopmentKeys, readDevelopmentKeys } from './identity-keys.ts';
export { developmentIdentityProvider } from './identity-provider.ts';
export { checkEmail, emailClaims, githubClaims, mintToken, tokenAudience } from './identity-token.ts';
