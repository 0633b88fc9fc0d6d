// Nobody works for a caller who has left: mail ends at its deadline, wherever it lies.
import { because, unavailable } from '../../refusal.ts';
import { reply, waitText, type Mail } from '../cell.ts';
import { outcomeUnknown } from '../committer/operation.ts';

const unseen = (mail: Mail): string => `${mail.name}: the deadline passed before it was looked at; nothing was changed`;

/** Those that somebody still waits for, in order; the others are answered with `why`. */
export function inTime(mails: Mail[], nowMs: number, why: (mail: Mail) => string = unseen): Mail[] {
  let late = 0;
  for (const { deadlineMs } of mails) if (deadlineMs <= nowMs) late++;
  if (late === 0) return mails;
  return mails.filter((mail) => {
    if (mail.deadlineMs > nowMs) return true;
    reply(mail, because('deadline', unavailable(why(mail))));
    return false;
  });
}

/** Answers what lies nowhere that it could be written from: nothing is made of it any more, or it is written already. */
export function answerLate(mail: Mail): void {
  if (mail.outcome !== 'open') return;
  if (mail.written !== '')
    return reply(mail, outcomeUnknown('the deadline passed before all had heard of it', mail.written));
  const why = waitText.get(mail) ?? `${mail.name}: the deadline passed; nothing was changed`;
  reply(mail, because('deadline', unavailable(why)));
}
