import { existsSync } from 'node:fs';
import { explicitToken } from './explicit-token.ts';
import type { TokenSource } from './token-source.ts';

/** A token that the platform keeps in a file and renews, so that it is read each time. */
export function projectedTokenAt(path: string): TokenSource {
  return {
    name: 'Kubernetes projected token',
    unavailable: () => (existsSync(path) ? undefined : `this is not a pod with a token in ${path}`),
    obtain: async () => await explicitToken({ file: path }),
  };
}

/** Kubernetes: a projected service account token with audience `sigstore`, where cosign looks for it. */
export const projectedToken: TokenSource = projectedTokenAt('/var/run/sigstore/cosign/oidc-token');
