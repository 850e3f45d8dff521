import { decidedByPolicy, TrustMaterial, type VerifyOptions } from '@signet/client/verify';
import { Certificate, fromBase64, type JsonObject, toBase64, utf8 } from '@signet/primitives/formats';
import type { Sample } from './corpus.ts';
import { difference, type Facts, factsOf, originalFacts } from './facts.ts';
import { mutateDer } from './mutate-der.ts';
import { mutateJson } from './mutate-json.ts';
import { mutateText } from './mutate-text.ts';
import { OwnAuthority } from './own-authority.ts';
import { OwnLog } from './own-log.ts';
import { Deviation, type Target } from './target.ts';

/** A bundle as it is before it is changed, and what is true of it. */
interface Prepared {
  readonly bundle: JsonObject;
  readonly text: string;
  readonly trustedRoot: JsonObject;
  readonly options: VerifyOptions;
  readonly facts: Facts;
}

type Entry = Parameters<OwnLog['log']>[0] & { readonly canonicalizedBody: string };

function prepare(bundle: JsonObject, trustedRoot: JsonObject, options: VerifyOptions): Prepared {
  return { bundle, text: JSON.stringify(bundle), trustedRoot, options, facts: originalFacts(bundle, options) };
}

/** Verifies, and holds an accept against the originals that the input was made of. */
function judge(input: unknown, options: VerifyOptions, originals: readonly Prepared[]): 'accepted' {
  const found = factsOf(input, options);
  const differences = originals.map(({ facts }) => difference(found, facts));
  if (differences.every((one) => one !== undefined)) throw new Deviation(differences[0]);
  return 'accepted';
}

function material(bundle: JsonObject): JsonObject {
  return bundle.verificationMaterial as JsonObject;
}

function changedBundle(prepared: readonly Prepared[]): Target {
  return {
    name: 'bundle, structure',
    share: 6,
    run: (random) => {
      const [original, donor] = [random.pick(prepared), random.pick(prepared)];
      const changed = mutateJson(original.bundle, random, donor.bundle);
      return judge(random.oneIn(2) ? changed : JSON.stringify(changed), original.options, [original, donor]);
    },
  };
}

function changedText(prepared: readonly Prepared[]): Target {
  return {
    name: 'bundle, text',
    share: 2,
    run: (random) => {
      const original = random.pick(prepared);
      return judge(mutateText(original.text, random), original.options, [original]);
    },
  };
}

/** What a bundle says of its own log entry is all the same here: only the leaf must be the one that the bundle needs. */
function changedLogEntry(prepared: readonly Prepared[]): Target {
  const log = new OwnLog();
  const relog = (bundle: JsonObject, change: (body: Uint8Array) => Uint8Array): JsonObject => {
    const tlogEntries = (material(bundle).tlogEntries as readonly Entry[]).slice(0, 1).map((entry) => {
      return log.log(entry, change(fromBase64(entry.canonicalizedBody)));
    });
    return { ...bundle, verificationMaterial: { ...material(bundle), tlogEntries } };
  };
  const originals = prepared.map(({ bundle, trustedRoot, options }) => {
    const trust = TrustMaterial.fromTrustedRoot({ ...trustedRoot, tlogs: [log.instance] });
    return prepare(
      relog(bundle, (body) => body),
      trustedRoot,
      { ...options, trust },
    );
  });
  return {
    name: 'log entry that a log took',
    share: 3,
    run: (random) => {
      const original = random.pick(originals);
      const changed = relog(original.bundle, (body) => {
        const text = Buffer.from(body).toString('utf8');
        return utf8(random.oneIn(3) ? mutateText(text, random) : JSON.stringify(mutateJson(JSON.parse(text), random)));
      });
      return judge(changed, original.options, [original]);
    },
  };
}

function changedCertificate(prepared: readonly Prepared[]): Target {
  const candidates = prepared.flatMap(({ bundle, trustedRoot, options: given }) => {
    const single = material(bundle).certificate as { rawBytes: string } | undefined;
    if (single === undefined) return [];
    const certificate = Certificate.parse(fromBase64(single.rawBytes));
    const authority = new OwnAuthority(certificate.issuer);
    const trust = TrustMaterial.fromTrustedRoot({
      ...trustedRoot,
      certificateAuthorities: [authority.instance],
      ctlogs: [],
    });
    const options: VerifyOptions = {
      ...given,
      trust,
      thresholds: { certificateLogs: 0 },
      identities: decidedByPolicy,
    };
    return [{ bundle, certificate, authority, options }];
  });
  return {
    name: 'certificate that an authority issued',
    share: 2,
    run: (random) => {
      const { bundle, certificate, authority, options } = random.pick(candidates);
      const rawBytes = toBase64(authority.reissue(certificate, mutateDer(certificate.tbs, random)));
      factsOf({ ...bundle, verificationMaterial: { ...material(bundle), certificate: { rawBytes } } }, options);
      throw new Deviation('a certificate that the log does not know was accepted');
    },
  };
}

function changedTrustedRoot(prepared: readonly Prepared[]): Target {
  return {
    name: 'trusted root',
    share: 1,
    run: (random) => {
      const [original, donor] = [random.pick(prepared), random.pick(prepared)];
      const root = mutateJson(original.trustedRoot, random, donor.trustedRoot);
      const trust = TrustMaterial.fromTrustedRoot(random.oneIn(4) ? mutateText(JSON.stringify(root), random) : root);
      return judge(original.bundle, { ...original.options, trust }, [original]);
    },
  };
}

/** What verifies bundles, with real bundles changed in every way. */
export function verifierTargets(samples: readonly Sample[]): Target[] {
  const prepared = samples.map(({ bundle, trustedRoot, options }) => {
    return prepare(bundle, trustedRoot as JsonObject, options);
  });
  return [
    changedBundle(prepared),
    changedText(prepared),
    changedLogEntry(prepared),
    changedCertificate(prepared),
    changedTrustedRoot(prepared),
  ];
}
