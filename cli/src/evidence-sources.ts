import { resolve } from 'node:path';
import type { NpmProject, TrustSources, VerdictCache, VerifyLockfileOptions } from '@signet/client/preflight';
import { inert, SignetError } from '@signet/primitives/basics';
import type { CommandContext } from './command.ts';

type Preflight = typeof import('@signet/client/preflight');

/** Where a project's evidence comes from: its own file, then the registries that npm is configured for, in the way npm asks them. */
export function evidenceSources(
  context: CommandContext,
  install: Preflight,
  { directory, settings }: NpmProject,
): Pick<VerifyLockfileOptions, 'projectDirectory' | 'offline' | 'evidence' | 'registryFor' | 'request'> {
  return {
    projectDirectory: directory,
    offline: context.offline,
    evidence: () => install.readEvidenceFile(resolve(directory, install.evidenceFileName)),
    registryFor: async (name) => install.registryFor(name, (await settings()).options, context.registry),
    request: {
      signal: context.signal,
      timeout: () => install.configuredTimeLimit(settings),
      transport: install.configuredTransport(settings),
    },
  };
}

/** How trust roots are fetched: the way that npm is configured to go. */
export function trustSources(
  context: CommandContext,
  install: Preflight,
  settings?: NpmProject['settings'],
): TrustSources {
  const { env, offline, note } = context;
  return {
    env,
    offline,
    onNote: (sentence) => note(`! ${inert(sentence)}`),
    request: { transport: install.configuredTransport(settings) },
  };
}

/** What earlier runs verified. A machine on which nothing can be kept safely verifies everything each time. */
export async function openVerdicts(context: CommandContext, directory: string): Promise<VerdictCache | undefined> {
  const { VerdictCache } = await import('@signet/client/preflight');
  return await withoutCache(context, VerdictCache.open(directory, context.env));
}

export async function saveVerdicts(context: CommandContext, verdicts: VerdictCache | undefined): Promise<void> {
  await withoutCache(context, verdicts?.save() ?? Promise.resolve());
}

async function withoutCache<Result>(context: CommandContext, work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof SignetError) || error.code !== 'ERR_VERDICT_CACHE') throw error;
    context.note(`! everything is verified anew: ${inert(error.message)} [${error.code}]`);
    return undefined;
  }
}
