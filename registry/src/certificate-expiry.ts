import { Certificate } from '@signet/primitives/formats';
import type { PublicMaterial } from './trust-documents.ts';

/** A certificate of an authority that is in use, and when it ends. */
export interface CertificateEnd {
  /** In words: `the certificate authority`, `the root of the timestamp authority`. */
  readonly name: string;
  readonly notAfter: Date;
  /** Whole days that are left; negative when it has ended. */
  readonly days: number;
  /** Less than this many days are left and somebody should act. */
  readonly isNear: boolean;
  /** The command that exchanges it. */
  readonly next: string;
}

const day = 86_400_000;
/** A rotation takes eight days, and whoever holds the keys of roots has holidays. */
const nearDays = 90;

/** The certificates of both authorities, issuing ones first. */
export function certificateEnds(
  { caChain, timestampChain }: Pick<PublicMaterial, 'caChain' | 'timestampChain'>,
  now: Date,
): readonly CertificateEnd[] {
  const ofChain = (what: string, verb: string, chain: readonly Uint8Array[]): CertificateEnd[] =>
    chain.map((bytes, depth) => {
      const { notAfter } = Certificate.parse(bytes);
      const isRoot = depth === chain.length - 1;
      const days = Math.floor((notAfter.getTime() - now.getTime()) / day);
      return {
        name: isRoot ? `the root of the ${what}` : `the ${what}`,
        notAfter,
        days,
        isNear: days < nearDays,
        next: `signet ${verb} rotate${isRoot ? ' --new-root' : ''}${days < 0 ? ' --lead 0' : ''}`,
      };
    });
  return [...ofChain('certificate authority', 'ca', caChain), ...ofChain('timestamp authority', 'tsa', timestampChain)];
}
