import { entryOf, envelope, type Kind, material, older, proofOf, rawBytes, timestampsOf, v2 } from './kind.ts';

/** How a bundle is written. */
export const shapes: Kind[] = [
  {
    what: 'white space around and inside its JSON',
    text: (text) => `\n ${JSON.stringify(JSON.parse(text), null, '\t')} \r\n`,
  },
  {
    what: 'absent messages as null',
    edit: (bundle) => {
      Object.assign(bundle, { dsseEnvelope: null });
      Object.assign(material(bundle), { publicKey: null, x509CertificateChain: null, timestampVerificationData: null });
    },
  },
  {
    what: '64-bit integers as numbers',
    edit: (bundle) => {
      for (const owner of [entryOf(bundle), proofOf(bundle)]) {
        for (const key of ['logIndex', 'integratedTime', 'treeSize']) if (key in owner) owner[key] = Number(owner[key]);
      }
    },
  },
  { what: 'no data of timestamps', edit: (bundle) => delete material(bundle).timestampVerificationData },
  {
    what: 'empty data of timestamps',
    edit: (bundle) => Object.assign(material(bundle), { timestampVerificationData: {} }),
  },
  { what: 'no digest of the message', edit: (bundle) => delete bundle.messageSignature.messageDigest },
  { what: 'no key id', recipe: envelope, edit: (bundle) => delete bundle.dsseEnvelope.signatures[0].keyid },
  {
    what: 'the first media type of v0.3',
    edit: (bundle) => Object.assign(bundle, { mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.3' }),
  },
  { what: 'v0.2 with a chain of one', edit: (bundle) => older(bundle, '0.2') },
  { what: 'v0.2 with the whole chain in order', edit: (bundle, _, { lab }) => older(bundle, '0.2', ...lab.caChain) },
  {
    what: 'v0.1 with a promise and a proof without checkpoint',
    edit: (bundle) => {
      older(bundle, '0.1');
      delete proofOf(bundle).checkpoint;
    },
  },
  {
    what: 'v0.1 with a promise alone',
    edit: (bundle) => {
      older(bundle, '0.1');
      delete entryOf(bundle).inclusionProof;
    },
  },
  {
    what: 'v0.1 without a promise',
    edit: (bundle) => {
      older(bundle, '0.1');
      delete entryOf(bundle).inclusionPromise;
    },
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'a chain out of order',
    edit: (bundle, _, { lab }) => older(bundle, '0.2', ...lab.caChain.toReversed()),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'an empty chain',
    edit: (bundle) => {
      older(bundle, '0.2');
      material(bundle).x509CertificateChain.certificates = [];
    },
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'a chain in v0.3',
    edit: (bundle) => {
      const { mediaType } = bundle;
      older(bundle, '0.2');
      bundle.mediaType = mediaType;
    },
    code: 'ERR_BUNDLE_FORMAT',
  },
  ...['0.1', '0.2'].map(
    (version): Kind => ({
      what: `a single certificate in v${version}`,
      edit: (bundle) =>
        Object.assign(bundle, { mediaType: `application/vnd.dev.sigstore.bundle+json;version=${version}` }),
      code: 'ERR_BUNDLE_FORMAT',
    }),
  ),
  ...['application/vnd.dev.sigstore.bundle.v0.4+json', 'application/json', '', undefined, 3].map(
    (mediaType): Kind => ({
      what: `the media type ${mediaType}`,
      edit: (bundle) => Object.assign(bundle, { mediaType }),
      code: 'ERR_BUNDLE_FORMAT',
    }),
  ),
  { what: 'an unknown field', edit: (bundle) => Object.assign(bundle, { extra: 1 }), code: 'ERR_BUNDLE_FORMAT' },
  {
    what: 'an unknown field of its material',
    edit: (bundle) => Object.assign(material(bundle), { extra: 1 }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'an unknown field of its entry',
    edit: (bundle) => Object.assign(entryOf(bundle), { extra: 1 }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'names in snake_case',
    text: (text) => text.replace('tlogEntries', 'tlog_entries'),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'an enum by its number',
    edit: (bundle) => Object.assign(bundle.messageSignature.messageDigest, { algorithm: 1 }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'base64 without padding',
    edit: (bundle) => Object.assign(entryOf(bundle).logId, { keyId: entryOf(bundle).logId.keyId.replace('=', '') }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'base64url',
    edit: (bundle) => Object.assign(entryOf(bundle).logId, { keyId: `${'-'.repeat(42)}w=` }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'white space in base64',
    edit: (bundle) => Object.assign(bundle.messageSignature, { signature: `\n${bundle.messageSignature.signature}` }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'an empty signature',
    edit: (bundle) => Object.assign(bundle.messageSignature, { signature: '' }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  { what: 'no signature', edit: (bundle) => delete bundle.messageSignature.signature, code: 'ERR_BUNDLE_FORMAT' },
  { what: 'no content', edit: (bundle) => delete bundle.messageSignature, code: 'ERR_BUNDLE_FORMAT' },
  {
    what: 'two contents',
    edit: (bundle) => Object.assign(bundle, { dsseEnvelope: { payload: '', payloadType: 'x', signatures: [] } }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  { what: 'no key', edit: (bundle) => delete material(bundle).certificate, code: 'ERR_BUNDLE_FORMAT' },
  {
    what: 'two keys',
    edit: (bundle) => Object.assign(material(bundle), { publicKey: { hint: 'x' } }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'a certificate with a byte too many',
    edit: (bundle) =>
      Object.assign(
        material(bundle).certificate,
        rawBytes(new Uint8Array([...Buffer.from(material(bundle).certificate.rawBytes, 'base64'), 0])),
      ),
    code: 'ERR_DER',
  },
  { what: 'no material', edit: (bundle) => delete bundle.verificationMaterial, code: 'ERR_BUNDLE_FORMAT' },
  {
    what: 'a negative index',
    edit: (bundle) => Object.assign(entryOf(bundle), { logIndex: '-1' }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'an index that is no whole number',
    edit: (bundle) => Object.assign(entryOf(bundle), { logIndex: 1.5 }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  {
    what: 'an index beyond 64 bits',
    edit: (bundle) => Object.assign(entryOf(bundle), { logIndex: '9223372036854775808' }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  ...['kindVersion', 'logId', 'canonicalizedBody'].map(
    (key): Kind => ({
      what: `an entry without ${key}`,
      edit: (bundle) => delete entryOf(bundle)[key],
      code: 'ERR_LOG_ENTRY_FORMAT',
    }),
  ),
  ...['rootHash', 'checkpoint'].map(
    (key): Kind => ({
      what: `a proof without ${key}`,
      edit: (bundle) => delete proofOf(bundle)[key],
      code: key === 'rootHash' ? 'ERR_LOG_ENTRY_FORMAT' : 'ERR_BUNDLE_FORMAT',
    }),
  ),
  {
    what: 'an empty promise',
    edit: (bundle) => Object.assign(entryOf(bundle), { inclusionPromise: {} }),
    code: 'ERR_LOG_ENTRY_FORMAT',
  },
  { what: 'no proof', edit: (bundle) => delete entryOf(bundle).inclusionProof, code: 'ERR_BUNDLE_FORMAT' },
  {
    what: 'no proof in Rekor v2',
    recipe: v2,
    edit: (bundle) => delete entryOf(bundle).inclusionProof,
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'no signature in its envelope',
    recipe: envelope,
    edit: (bundle) => Object.assign(bundle.dsseEnvelope, { signatures: [] }),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'one signature twice in its envelope',
    recipe: envelope,
    edit: ({ dsseEnvelope }) => dsseEnvelope.signatures.push(dsseEnvelope.signatures[0]),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'one entry twice',
    edit: (bundle) => material(bundle).tlogEntries.push(entryOf(bundle)),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'one timestamp twice',
    recipe: v2,
    edit: (bundle) => timestampsOf(bundle).push(timestampsOf(bundle)[0]),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'too many timestamps',
    recipe: v2,
    edit: (bundle) => timestampsOf(bundle).push(...Array.from({ length: 32 }, () => timestampsOf(bundle)[0])),
    code: 'ERR_BUNDLE_FORMAT',
  },
  {
    what: 'too many entries',
    edit: (bundle) => material(bundle).tlogEntries.push(...Array.from({ length: 32 }, () => entryOf(bundle))),
    code: 'ERR_BUNDLE_FORMAT',
  },
];
