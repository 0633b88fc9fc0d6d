export const serverContract = (_server: unknown): void => {};
