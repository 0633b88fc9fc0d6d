// Nobody works for a caller who has left: mail ends at its deadline, wherever it lies.
import { unavailable } from '../../refusal.ts';
import type { Mail } from '../cell.ts';

const unseen = (mail: Mail): string => `${mail.name}: the deadline passed before it was looked at; nothing was changed`;

/** Those that somebody still waits for, in order; the others are answered with `why`. */
export function inTime(mails: Mail[], nowMs: number, why: (mail: Mail) => string = unseen): Mail[] {
  if (mails.every((mail) => mail.deadlineMs > nowMs)) return mails;
  return mails.filter((mail) => {
    if (mail.deadlineMs > nowMs) return true;
    mail.respond(unavailable(why(mail)));
    return false;
  });
}
