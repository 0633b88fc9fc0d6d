import { readFileSync, statSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { engineProblem, external } from './problem.ts';

/** Whom the server runs as when this process is root, which PostgreSQL refuses. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account named `name` in the text of a passwd file. */
export const accountIn = (passwd: string, name: string): Account | undefined => {
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([first]) => first === name);
  const uid = Number(fields?.[2] || 'NaN');
  const gid = Number(fields?.[3] || 'NaN');
  return Number.isInteger(uid) && Number.isInteger(gid) && uid > 0 ? { uid, gid } : undefined;
};

const passwdText = (): string => {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
};

/** `nobody` for root, undefined for everyone else (the server then runs as this user). */
export const serverAccount = (): Account | undefined => {
  if (process.getuid?.() === 0) {
    const nobody = accountIn(passwdText(), 'nobody');
    if (nobody === undefined)
      throw engineProblem(
        'account',
        `PostgreSQL does not run as root and /etc/passwd has no user "nobody": add one, start as an ordinary user, or ${external}`,
      );
    return nobody;
  }
  try {
    userInfo();
  } catch (error) {
    throw engineProblem(
      'account',
      `PostgreSQL needs a user with a name, but the user id ${process.getuid?.()} has no entry in /etc/passwd: add one, start as another user, or ${external}`,
      error,
    );
  }
  return undefined;
};

const statIfThere = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // Below a file, for instance: making the folder will say so.
    return undefined;
  }
};

/** Whether `account` may pass through every existing folder on the way to `path`. */
export const canReach = (account: Account, path: string): boolean => {
  for (let folder = path; ; folder = dirname(folder)) {
    const seen = statIfThere(folder);
    if (seen?.isDirectory() === true) {
      const bit = seen.uid === account.uid ? 0o100 : seen.gid === account.gid ? 0o010 : 0o001;
      if ((seen.mode & bit) === 0) return false;
    }
    if (dirname(folder) === folder) return true;
  }
};
