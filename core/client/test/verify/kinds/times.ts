import { signingTime } from '../lab.ts';
import { type Kind, late, timestampsOf, v2 } from './kind.ts';

/** Which clocks speak, and when. */
export const times: Kind[] = [
  { what: 'a timestamp and a promise that agree', recipe: { timestamp: signingTime } },
  {
    what: 'a timestamp out of the validity of the certificate, beside a good promise',
    recipe: { timestamp: late },
    code: 'ERR_CERT_EXPIRED',
  },
  {
    what: 'a promise out of the validity of the certificate, beside a good timestamp',
    recipe: { timestamp: signingTime, integratedTime: late },
    code: 'ERR_CERT_EXPIRED',
  },
  { what: 'no timestamp in Rekor v2', recipe: { ...v2, timestamp: 'none' }, code: 'ERR_TIMESTAMP_MISSING' },
  {
    what: 'a timestamp that is none',
    recipe: v2,
    edit: (bundle) => Object.assign(timestampsOf(bundle)[0], { signedTimestamp: 'AAAA' }),
    code: 'ERR_TIMESTAMP_FORMAT',
  },
  {
    what: 'a timestamp, and a trusted root without timestamp authorities',
    recipe: v2,
    edit: (_, root) => Object.assign(root, { timestampAuthorities: [] }),
    code: 'ERR_TIMESTAMP_MISSING',
  },
  {
    what: 'a timestamp that a trusted root without timestamp authorities does not use',
    recipe: { timestamp: signingTime },
    edit: (_, root) => Object.assign(root, { timestampAuthorities: undefined }),
  },
  {
    what: 'a timestamp of an authority whose name another one has too',
    recipe: v2,
    edit: (_, root, { twin }) => root.timestampAuthorities.unshift(...twin.trustedRoot().timestampAuthorities),
  },
  {
    what: 'a timestamp of an authority whose name only another one has',
    recipe: v2,
    edit: (_, root, { twin }) => Object.assign(root, { timestampAuthorities: twin.trustedRoot().timestampAuthorities }),
    code: 'ERR_TIMESTAMP_INVALID',
  },
  ...[true, false].map(
    (embedCertificate): Kind => ({
      what: `a timestamp of an unknown authority ${embedCertificate ? 'that brings its certificate' : 'without its certificate'}`,
      recipe: { ...v2, embedCertificate },
      edit: (_, root, { other }) =>
        Object.assign(root, { timestampAuthorities: other.trustedRoot().timestampAuthorities }),
      code: 'ERR_TIMESTAMP_UNTRUSTED',
    }),
  ),
  ...['start', 'end'].map(
    (side): Kind => ({
      what: `a timestamp outside of the ${side} of its authority's time`,
      recipe: v2,
      edit: (_, root) =>
        Object.assign(
          root.timestampAuthorities[0]?.validFor ?? {},
          side === 'start' ? { start: late.toISOString() } : { end: '2026-02-28T00:00:00Z' },
        ),
      code: 'ERR_TIMESTAMP_UNTRUSTED',
    }),
  ),
  ...['start', 'end'].map(
    (side): Kind => ({
      what: `a timestamp exactly at the ${side} of its authority's time`,
      recipe: v2,
      edit: (_, root) =>
        Object.assign(root.timestampAuthorities[0]?.validFor ?? {}, { [side]: signingTime.toISOString() }),
    }),
  ),
  ...(['tlogs', 'ctlogs'] as const).flatMap((list) =>
    ['start', 'end'].map(
      (side): Kind => ({
        what: `a key of ${list} outside of its ${side}`,
        edit: (_, root) =>
          Object.assign(
            root[list][0]?.publicKey.validFor ?? {},
            side === 'start' ? { start: late.toISOString() } : { end: '2026-02-28T00:00:00Z' },
          ),
        code: list === 'tlogs' ? 'ERR_LOG_UNTRUSTED' : 'ERR_SCT_INVALID',
      }),
    ),
  ),
  ...['start', 'end'].map(
    (side): Kind => ({
      what: `a certificate authority outside of its ${side}`,
      edit: (_, root) =>
        Object.assign(
          root.certificateAuthorities[0]?.validFor ?? {},
          side === 'start' ? { start: late.toISOString() } : { end: '2026-02-28T00:00:00Z' },
        ),
      code: 'ERR_CERT_EXPIRED',
    }),
  ),
];
