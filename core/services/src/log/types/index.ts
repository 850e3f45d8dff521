export {
  byteSchema,
  bytesField,
  type EntryContext,
  type EntryType,
  hashSchema,
  objectSchema,
  proposalError,
} from './entry-type.ts';
export { builtInEntryTypes, EntryTypes, readProposalJson, type VerifiedProposal } from './entry-types.ts';
