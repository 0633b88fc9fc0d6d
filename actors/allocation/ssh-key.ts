import { unprocessable, type Refusal } from '../refusal.ts';

// Public keys of OpenSSH as authorized_keys(5) has them: [options] type base64 [comment]. The blob repeats the type as
// its first string (RFC 4253 §6.6), and how many strings follow depends on it.
const FIELDS_AFTER_TYPE: ReadonlyMap<string, number> = new Map([
  ['ssh-rsa', 2],
  ['ssh-dss', 4],
  ['ssh-ed25519', 1],
  ['ecdsa-sha2-nistp256', 2],
  ['ecdsa-sha2-nistp384', 2],
  ['ecdsa-sha2-nistp521', 2],
  ['sk-ssh-ed25519@openssh.com', 2],
  ['sk-ecdsa-sha2-nistp256@openssh.com', 3],
]);

/** Certificates (OpenSSH's PROTOCOL.certkeys) hold numbers among the strings, so only their type is looked at. */
const isCertificate = (type: string): boolean => {
  const match = /^(.+)-cert-v01@openssh\.com$/.exec(type);
  return match !== null && (FIELDS_AFTER_TYPE.has(match[1]!) || FIELDS_AFTER_TYPE.has(`${match[1]}@openssh.com`));
};
const isKeyType = (type: string): boolean => FIELDS_AFTER_TYPE.has(type) || isCertificate(type);

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const LONGEST_LINE = 16_384;

/** The length-prefixed strings that the blob begins with, and whether they fill it. */
const stringsOf = (blob: Buffer): { strings: Buffer[]; isWhole: boolean } => {
  const strings: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) break;
    strings.push(blob.subarray(at + 4, end));
    at = end;
  }
  return { strings, isWhole: at === blob.length };
};

const keyProblem = (type: string, base64: string): string | undefined => {
  if (!isKeyType(type)) return `key type "${type}" is unknown`;
  if (base64 === '' || !BASE64.test(base64)) return 'the key is not base64';
  const { strings, isWhole } = stringsOf(Buffer.from(base64, 'base64'));
  const [inner, first] = strings;
  if (inner?.toString('latin1') !== type) return `the key is not of type ${type}`;
  if (isCertificate(type)) return undefined;
  if (!isWhole || first === undefined || strings.length !== FIELDS_AFTER_TYPE.get(type)! + 1)
    return 'the key is cut off';
  if (type.includes('ssh-ed25519') && first.length !== 32) return 'the key does not have 32 bytes';
  if (type.includes('ecdsa-sha2-') && !type.includes(`ecdsa-sha2-${first.toString('latin1')}`)) {
    return 'the key names another curve';
  }
  return strings.some((field) => field.length === 0) ? 'the key has an empty part' : undefined;
};

/** Words up to the end, where blanks within double quotes (of options) don't separate. */
const wordsOf = (line: string): string[] => line.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? [];

/** The line without blanks around it, Unprocessable unless it is exactly one public key of authorized_keys(5). */
export const parseSshPublicKey = (text: string): string | Refusal => {
  const refuse = (why: string) =>
    unprocessable(
      `ssh public key "${text.slice(0, 40)}" is not valid: ${why}, expected one line "<type> <base64> <comment>"`,
    );
  const line = text.trim();
  if (line.length > LONGEST_LINE) return refuse(`it is longer than ${LONGEST_LINE} characters`);
  if (/[\r\n]/.test(line)) return refuse('it has several lines');
  if (line.startsWith('#')) return refuse('it is a comment');
  const words = line.split(/\s+/);
  const [first = '', second = ''] = words;
  if (isKeyType(first)) {
    const problem = keyProblem(first, second);
    return problem === undefined ? line : refuse(problem);
  }
  const [, type = first, base64 = ''] = wordsOf(line);
  const problem = keyProblem(type, base64);
  return problem === undefined ? line : refuse(problem);
};
