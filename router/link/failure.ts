/** Why an ask or an exchange over a link had no answer. The edge turns all of them into 503 naming the peer, but `Refused`. */
export type LinkFailureKind =
  | 'LinkDown' // no connection, or one that is silent: answered at once, nothing waits
  | 'Deadline' // the peer is there and did not answer in time; whether it acted is unknown
  | 'Refused' // the peer's handler refused; `refusal` says why
  | 'Overloaded' // a limit of this link is reached, here or there
  | 'TooLarge' // the message is over the frame limit
  | 'Aborted' // the caller or the peer gave up
  | 'Broken'; // the peer's frames made no sense

/** What a handler says when it does not do what was asked. `kind` is a word for programs, `message` a sentence for people. */
export type LinkRefusal = { readonly kind: string; readonly message: string; readonly details?: unknown };

/** The rejection of every promise of this room. */
export type LinkFailure = Error & { readonly kind: LinkFailureKind; readonly refusal?: LinkRefusal };

/** Makes a failure; `refusal` comes with kind `Refused`. */
export function linkFailure(kind: LinkFailureKind, message: string, refusal?: LinkRefusal): LinkFailure {
  const error = Object.assign(new Error(message), { kind, ...(refusal === undefined ? {} : { refusal }) });
  error.name = 'LinkFailure';
  return error;
}

/** Thrown by a handler to refuse an ask; the asker's promise rejects with kind `Refused` and this refusal. */
export const refuseAsk = (kind: string, message: string, details?: unknown): LinkFailure =>
  linkFailure('Refused', message, { kind, message, ...(details === undefined ? {} : { details }) });

/** Whether a limit was reached, of the link or of the peer. */
export const isOverload = (error: unknown): boolean =>
  isLinkFailure(error) && (error.kind === 'Overloaded' || error.refusal?.kind === 'Overloaded');

/** Whether the link did what it should, and what was asked came to nothing: nobody is to look for a link that is down. */
export const isFault = (error: unknown): error is LinkFailure =>
  isLinkFailure(error) && (error.kind === 'Refused' || error.kind === 'TooLarge' || error.kind === 'Broken');

/** Whether a fault comes again however often it is tried: the handler's, or a message that no frame can carry. */
export const isLasting = ({ kind, refusal }: LinkFailure): boolean => kind === 'TooLarge' || refusal?.kind === 'Failed';

/** Whether a rejection came from a link. */
export const isLinkFailure = (error: unknown): error is LinkFailure =>
  error instanceof Error && error.name === 'LinkFailure' && 'kind' in error;
