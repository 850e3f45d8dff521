import { toBase64 } from '@signet/primitives/formats';
import { type Json, type Kind, type Root, v2 } from './kind.ts';

/** What is trusted. */
export const roots: Kind[] = [
  {
    what: 'certificate authorities with an intermediate as anchor',
    edit: (_, root) => root.certificateAuthorities[0]?.certChain.certificates.pop(),
  },
  {
    what: 'authorities without address and name',
    edit: (_, root) => Object.assign(root.certificateAuthorities[0] ?? {}, { uri: undefined, subject: undefined }),
  },
  {
    what: 'a certificate log without address',
    edit: (_, root) => Object.assign(root.ctlogs[0] ?? {}, { baseUrl: undefined }),
  },
  ...['rekor.example', 'https://rekor.example/', 'https://rekor.example/api', 'http://rekor.example'].map(
    (baseUrl): Kind => ({
      what: `the log ${baseUrl}`,
      edit: (_, root) => Object.assign(root.tlogs[0] ?? {}, { baseUrl }),
    }),
  ),
  ...['https://other.example', 'https://rekor.example.org', 'https://example', ''].map(
    (baseUrl): Kind => ({
      what: `the log "${baseUrl}"`,
      edit: (_, root) => Object.assign(root.tlogs[0] ?? {}, { baseUrl }),
      code: 'ERR_CHECKPOINT_SIGNATURE',
    }),
  ),
  {
    what: 'a log of a kind that nobody knows, beside the one that is needed',
    edit: (_, root) =>
      root.tlogs.unshift({
        ...structuredClone(root.tlogs[0] as Root['tlogs'][0]),
        logId: { keyId: 'AAAA' },
        publicKey: { ...structuredClone((root.tlogs[0] as Root['tlogs'][0]).publicKey), keyDetails: 'LMS_SHA256' },
      }),
  },
  {
    what: 'a log that is needed and of a kind that nobody knows',
    edit: (_, root) => Object.assign(root.tlogs[0]?.publicKey ?? {}, { keyDetails: 'LMS_SHA256' }),
    code: 'ERR_LOG_UNTRUSTED',
  },
  {
    what: 'a deprecated name for the kind of its key',
    edit: (_, root) => Object.assign(root.tlogs[0]?.publicKey ?? {}, { keyDetails: 'PKIX_ECDSA_P256_HMAC_SHA_256' }),
  },
  {
    what: 'a log that is known by the key id of its checkpoints alone',
    recipe: v2,
    edit: (_, root) => {
      const log = root.tlogs[1] as Json;
      log.checkpointKeyId = { keyId: toBase64(Buffer.from(log.logId.keyId, 'base64').subarray(0, 4)) };
      delete log.logId;
      root.mediaType = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';
    },
  },
  {
    what: 'operators',
    edit: (_, root) => {
      for (const one of [...root.tlogs, ...root.ctlogs, ...root.certificateAuthorities])
        Object.assign(one, { operator: 'lab.example' });
      root.mediaType = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';
    },
  },
  { what: 'no certificate logs', edit: (_, root) => Object.assign(root, { ctlogs: [] }), code: 'ERR_SCT_MISSING' },
  {
    what: 'no certificate authorities',
    edit: (_, root) => Object.assign(root, { certificateAuthorities: [] }),
    code: 'ERR_CERT_UNTRUSTED',
  },
  { what: 'no logs', edit: (_, root) => Object.assign(root, { tlogs: undefined }), code: 'ERR_LOG_UNTRUSTED' },
  {
    what: 'the root of another',
    edit: (_, root) => root.certificateAuthorities[0]?.certChain.certificates.shift(),
    code: 'ERR_CERT_UNTRUSTED',
  },
  { what: 'an unknown field', edit: (_, root) => Object.assign(root, { extra: 1 }), code: 'ERR_TRUSTED_ROOT_FORMAT' },
  {
    what: 'no start of a key',
    edit: (_, root) => Object.assign(root.tlogs[0]?.publicKey.validFor ?? {}, { start: undefined }),
    code: 'ERR_TRUSTED_ROOT_FORMAT',
  },
  {
    what: 'no hash algorithm of a log',
    edit: (_, root) => Object.assign(root.tlogs[0] ?? {}, { hashAlgorithm: undefined }),
    code: 'ERR_TRUSTED_ROOT_FORMAT',
  },
  {
    what: 'a key that is none',
    edit: (_, root) => Object.assign(root.tlogs[0]?.publicKey ?? {}, { rawBytes: 'AAAA' }),
    code: 'ERR_TRUST_MATERIAL',
  },
  {
    what: 'a certificate that is none',
    edit: (_, root) => root.certificateAuthorities[0]?.certChain.certificates.splice(0, 1, { rawBytes: 'AAAA' }),
    code: 'ERR_TRUST_MATERIAL',
  },
  {
    what: 'an authority without certificates',
    edit: (_, root) => root.certificateAuthorities[0]?.certChain.certificates.splice(0),
    code: 'ERR_TRUSTED_ROOT_FORMAT',
  },
];
