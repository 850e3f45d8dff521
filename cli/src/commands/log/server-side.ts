import { resolve } from 'node:path';
import { type CommandContext, type OptionValues, textOption } from '../../command.ts';
import { loadInstalled } from '../instance-options.ts';

/** The log's own code, which only operators install. @throws ERR_NOT_INSTALLED */
export function loadLogServer(): Promise<typeof import('@signet/registry/log')> {
  return loadInstalled(() => import('@signet/registry/log'));
}

/** The data directory that was named, absolute. */
export function logDirectory(context: CommandContext, values: OptionValues): string {
  return resolve(context.cwd, textOption(values, 'data') ?? 'signet-log');
}
