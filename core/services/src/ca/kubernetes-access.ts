import { readFile } from 'node:fs/promises';
import type { Issuer } from './issuer.ts';

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * What a cluster's own API server wants before it shows its keys: this pod's service account token, over a connection
 * that the cluster's authority vouches for. Only for the cluster that this process runs in; other issuers, and processes
 * outside a cluster, get nothing.
 */
export async function kubernetesAccess(issuer: Issuer): Promise<{ bearer?: string; caCertificates?: string }> {
  if (issuer.type !== 'kubernetes') return {};
  if (!/^https:\/\/kubernetes\.default\.svc(\.cluster\.local)?$/.test(issuer.url)) return {};
  const [bearer, caCertificates] = await Promise.all([
    read(`${serviceAccountDirectory}/token`),
    read(`${serviceAccountDirectory}/ca.crt`),
  ]);
  return {
    ...(bearer === undefined ? {} : { bearer: bearer.trim() }),
    ...(caCertificates === undefined || issuer.caCertificates !== undefined ? {} : { caCertificates }),
  };
}

/** The token is read anew each time: the kubelet replaces it while the pod runs. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
