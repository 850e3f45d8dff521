import { resolve } from 'node:path';
import { type CommandContext, flagOption, listOption, type OptionValues, textOption } from './command.ts';

/** Flags of `npm ci` and `npm install` that are common enough to be written without `--`. */
export const npmFlags = {
  omit: { type: 'string', multiple: true, argument: 'WHAT', description: 'npm: leave out dev, optional or peer' },
  include: { type: 'string', multiple: true, argument: 'WHAT', description: 'npm: take in dev, optional or peer' },
  workspace: { type: 'string', multiple: true, short: 'w', argument: 'NAME', description: 'npm: only this workspace' },
  prefix: { type: 'string', short: 'C', argument: 'FOLDER', description: 'npm: the project’s folder' },
  loglevel: { type: 'string', argument: 'LEVEL', description: 'npm: how much it tells' },
  'ignore-scripts': { type: 'boolean', description: 'npm: run no scripts' },
  'foreground-scripts': { type: 'boolean', description: 'npm: show what scripts print' },
  'legacy-peer-deps': { type: 'boolean', description: 'npm: do not look at peer dependencies' },
  'prefer-offline': { type: 'boolean', description: 'npm: take from its cache what is there' },
  'dry-run': { type: 'boolean', description: 'npm: install nothing; signet verifies all the same' },
  'no-audit': { type: 'boolean', description: 'npm: no audit' },
  'no-fund': { type: 'boolean', description: 'npm: no appeals' },
} as const;

/** npm's arguments: the flags known here, then `others`, which stood behind `--`. */
export function npmArguments(context: CommandContext, values: OptionValues, others: readonly string[]): string[] {
  const known = Object.entries(npmFlags).flatMap(([name, option]) => {
    if (option.type === 'boolean') return flagOption(values, name) ? [`--${name}`] : [];
    const given = 'multiple' in option ? listOption(values, name) : [textOption(values, name)];
    // npm's library takes a relative folder from the process, not from where it is told to be.
    const path = (value: string): string => (name === 'prefix' ? resolve(context.cwd, value) : value);
    return given.flatMap((value) => (value === undefined ? [] : [`--${name}=${path(value)}`]));
  });
  return [
    ...known,
    ...(context.registry === undefined ? [] : [`--registry=${context.registry}`]),
    ...(context.offline ? ['--offline'] : []),
    ...others,
  ];
}
