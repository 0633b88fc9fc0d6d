/** Names one thing in its scope. */
export const at = (scope: string, key: string): string => `${scope}\0${key}`;
