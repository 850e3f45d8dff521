import { Certificate, der, type FulcioClaims, fulcioExtensions, oids, utf8 } from '@signet/primitives/formats';
import { generateSigner } from '@signet/primitives/keys';

/** A certificate that names somebody, signed by nobody: for rules that look at names alone. */
export function certificateFor(
  names: readonly { readonly type: 'email' | 'uri' | 'otherName'; readonly value: string }[],
  claims: FulcioClaims,
): Certificate {
  const algorithm = der.sequence(der.oid(oids.ecdsaWithSha256));
  const generalNames = names.map(({ type, value }) => {
    if (type === 'otherName')
      return der.context(0, der.oid(oids.fulcioOtherName), der.context(0, der.utf8String(value)));
    return der.contextPrimitive(type === 'email' ? 1 : 6, utf8(value));
  });
  const extensions = [
    ...(names.length === 0
      ? []
      : [
          der.sequence(
            der.oid(oids.subjectAlternativeName),
            der.boolean(true),
            der.octetString(der.sequence(...generalNames)),
          ),
        ]),
    ...fulcioExtensions(claims),
  ];
  const tbs = der.sequence(
    der.context(0, der.integer(2)),
    der.integer(1),
    algorithm,
    der.sequence(),
    der.sequence(der.time(new Date('2026-01-01T00:00:00Z')), der.time(new Date('2026-01-01T00:10:00Z'))),
    der.sequence(),
    generateSigner().publicKey.spki,
    der.context(3, der.sequence(...extensions)),
  );
  return Certificate.parse(der.sequence(tbs, algorithm, der.bitString(new Uint8Array(8))));
}
