import { type FulcioClaimName, fulcioClaimNames } from '@signet/primitives/formats';
import { canonicalKey, didYouMean, Section } from './configuration-section.ts';
import { compileTemplate, type Template } from './go-template.ts';
import { shippedProviders } from './shipped-providers.ts';

/** How the tokens of one CI system become a subject name and Fulcio's extensions. */
export interface CiProvider {
  readonly name: string;
  /** Values for claims that a token lacks. */
  readonly defaults: ReadonlyMap<string, string>;
  readonly extensions: readonly (readonly [FulcioClaimName, Template])[];
  readonly subjectAlternativeName: Template;
}

/** A provider as it is written in the configuration and in {@link shippedProviders}. */
export interface ProviderTemplates {
  readonly 'default-template-values'?: Readonly<Record<string, string>>;
  readonly 'extension-templates': Readonly<Record<string, string>>;
  readonly 'subject-alternative-name-template': string;
}

const providerKeys = ['default-template-values', 'extension-templates', 'subject-alternative-name-template'];
/** Fulcio takes these from the token whatever a template says. */
const fromToken = new Set(['issuer', 'issuerv1', 'subject', 'tokensubject']);
const extensionsByKey = new Map<string, FulcioClaimName>(fulcioClaimNames.map((name) => [canonicalKey(name), name]));
extensionsByKey.set('sourcerepositoryvisibilityatsigning', 'sourceRepositoryVisibility');
/** As YAML has them. */
const extensionKeys = fulcioClaimNames
  .filter((name) => !fromToken.has(canonicalKey(name)))
  .map((name) => (name === 'sourceRepositoryVisibility' ? `${name}AtSigning` : name))
  .map((name) => name.replace(/[A-Z]/g, (upper) => `-${upper.toLowerCase()}`));

/**
 * Reads `ci-issuer-metadata` and compiles every template, so that a mistake stops the start and not a release.
 *
 * @throws ERR_ISSUER_CONFIG
 */
export function parseProviders(entries: readonly (readonly [string, unknown])[]): Map<string, CiProvider> {
  const providers = new Map<string, CiProvider>();
  for (const [name, value] of Object.entries(shippedProviders)) providers.set(name, parseProvider(name, value));
  for (const [name, value] of entries) providers.set(name, parseProvider(name, value));
  return providers;
}

function parseProvider(name: string, value: unknown): CiProvider {
  const section = new Section(value, `ci-issuer-metadata: ${name}`, providerKeys);
  const defaults = new Map<string, string>();
  for (const [key, entry] of section.entries('default-template-values')) {
    if (entry === null || typeof entry === 'object') {
      throw section.error('default-template-values', `has no plain value for "${key}"`);
    }
    defaults.set(key, String(entry));
  }
  const extensions: [FulcioClaimName, Template][] = [];
  for (const [key, entry] of section.entries('extension-templates')) {
    const canonical = canonicalKey(key);
    if (fromToken.has(canonical)) continue;
    const extension = extensionsByKey.get(canonical);
    if (extension === undefined) {
      throw section.error(
        'extension-templates',
        `names "${key}", which is no extension of Fulcio${didYouMean(key, extensionKeys)}`,
        {
          expected: extensionKeys.join(', '),
          found: key,
        },
      );
    }
    if (typeof entry !== 'string') throw section.error('extension-templates', `has no string for "${key}"`);
    if (entry.trim() !== '') extensions.push([extension, compileTemplate(entry)]);
  }
  const subject = section.string('subject-alternative-name-template');
  if (subject === undefined || subject.trim() === '') {
    throw section.error('subject-alternative-name-template', 'is missing; without it a certificate names nobody');
  }
  return { name, defaults, extensions, subjectAlternativeName: compileTemplate(subject) };
}
