// What of rows and bodies is secret: by the name of the field, however deep it lies, so that one that is added is hidden
// before anybody thinks of it. Whatever shows rows to people goes through here (dry runs, inspection, the audit trail);
// secrets are given out only by the operations that are there for it.

/** Stands for a secret that is there; what is empty stays empty. */
const HIDDEN = '***';
const SECRET = /passw|secret|token|hmac|credential|private_?key|auth_?key|user_?data|connector_?config/i;

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === '' || value === false;

/** A copy in which the values of secret fields are hidden. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  // What is neither list nor plain has a form of its own in JSON, and no fields of ours.
  if (!isPlain(value)) return value;
  const fields = Object.entries(value).map(([name, field]: [string, unknown]) => [
    name,
    SECRET.test(name) && !isEmpty(field) ? HIDDEN : withoutSecrets(field),
  ]);
  return Object.fromEntries(fields);
}
