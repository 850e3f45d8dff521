export * from './create-timestamp-chain.ts';
export { askTime, type TimeAnswer } from './network-time.ts';
export * from './routes.ts';
export { TimeWatch, type TimeWatchOptions } from './time-watch.ts';
export * from './timestamp-authority.ts';
