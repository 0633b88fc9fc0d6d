// Memberships of a directory → the groups that roles are made of (networks.md §6.8).

export type DirectoryType = 'ldap' | 'ad';

/** `ldap` or `ad` in any case. */
export const directoryTypeOf = (text: string | undefined): DirectoryType | undefined => {
  const lower = text?.toLowerCase();
  return lower === 'ldap' || lower === 'ad' ? lower : undefined;
};

interface Membership {
  tenant: string;
  /** `<app>-<first>-<second>-<role>` */
  group: string;
}

const ldapMembership = (text: string): Membership | undefined => {
  const [tenant, group, ...more] = text.split('_');
  return tenant === undefined || group === undefined || more.length > 0 ? undefined : { tenant, group };
};

/** `<tt><xx>_<any>_<3 letters><group>_<any>`; a third part too short for its prefix is dropped (N45). */
const adMembership = (text: string): Membership | undefined => {
  const [first, , third, , ...more] = text.split('_');
  if (first?.length !== 4 || third === undefined || text.split('_').length !== 4 || more.length > 0) return undefined;
  return { tenant: first.slice(0, 2), group: third.slice(3) };
};

/**
 * What does not fit the form, or belongs to another tenant, is dropped silently, as metal-stack's clients expect. A
 * group on behalf of another tenant (`<app>-<tenant>#<scope>-…`) is kept, but is none that a role demands.
 */
export function groupsOf(memberships: readonly string[], directory: DirectoryType, tenant: string): string[] {
  const read = directory === 'ldap' ? ldapMembership : adMembership;
  const wanted = tenant.toLowerCase();
  const groups = memberships.flatMap((text) => {
    const membership = read(text.toLowerCase());
    if (membership === undefined || membership.tenant !== wanted) return [];
    const parts = membership.group.split('-');
    return parts.length === 4 && parts.every((part) => part !== '') ? [membership.group] : [];
  });
  return [...new Set(groups)];
}
