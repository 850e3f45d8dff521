import { parseJson, SignetError } from '@signet/primitives/formats';
import { readIfPresent, writeDurably } from './durable-files.ts';
import type { InstanceLayout } from './layout.ts';

/** What can be exchanged while the instance runs. */
export const rotatedServices = ['ca', 'tsa', 'ctlog', 'log', 'log-v1'] as const;

export type RotatedService = (typeof rotatedServices)[number];

/** The generation of each service that is in use, from 1. */
export type Generations = Readonly<Record<RotatedService, number>>;

/** Where the material of one generation lies. */
export interface GenerationPaths {
  readonly key: string;
  /** PEM chain, first the one for the key. */
  readonly certificates: string;
}

export const firstGenerations: Generations = { ca: 1, tsa: 1, ctlog: 1, log: 1, 'log-v1': 1 };

// Format 1 knew no shards of the transparency logs: whoever reads that alone would write into one that has ended.
const format = 2;

/** The first generation lies where `init` put it; later ones beside it, with their number. A log has no certificates. */
export function generationPaths(layout: InstanceLayout, service: RotatedService, generation: number): GenerationPaths {
  const numbered = (path: string) => (generation === 1 ? path : path.replace(/(\.\w+)$/, `-${generation}$1`));
  const [key, certificates] = {
    ca: [layout.keys.caIntermediate, layout.certificates.ca] as const,
    tsa: [layout.keys.timestamp, layout.certificates.timestamp] as const,
    ctlog: [layout.keys.certificateLog, ''] as const,
    log: [layout.keys.log, ''] as const,
    'log-v1': [layout.keys.logV1, ''] as const,
  }[service];
  return { key: numbered(key), certificates: numbered(certificates) };
}

/** The data directory of a generation of the certificate log. */
export function certificateLogDirectory(layout: InstanceLayout, generation: number): string {
  return generation === 1 ? layout.certificateLogDirectory : `${layout.certificateLogDirectory}-${generation}`;
}

/** @throws ERR_INSTANCE, ERR_INSTANCE_FORMAT */
export async function readGenerations(layout: InstanceLayout): Promise<Generations> {
  const path = layout.state.generations;
  const text = await readIfPresent(path);
  if (text === undefined) return firstGenerations;
  const value = parseJson(text, path) as Partial<Record<string, unknown>> | null;
  if (value?.format !== 1 && value?.format !== format) {
    throw new SignetError(
      'ERR_INSTANCE_FORMAT',
      `${path} has a format that this Signet does not know; use a newer one`,
    );
  }
  const read = (service: RotatedService) => {
    const generation = value[service];
    if (typeof generation === 'number' && Number.isSafeInteger(generation) && generation > 0) return generation;
    throw new SignetError('ERR_INSTANCE', `${path}: ${service} must be a whole number from 1`);
  };
  const authorities = { ca: read('ca'), tsa: read('tsa'), ctlog: read('ctlog') };
  if (value.format === 1) return { ...firstGenerations, ...authorities };
  return { ...authorities, log: read('log'), 'log-v1': read('log-v1') };
}

export function writeGenerations(layout: InstanceLayout, generations: Generations): Promise<void> {
  return writeDurably(layout.state.generations, `${JSON.stringify({ format, ...generations })}\n`);
}
