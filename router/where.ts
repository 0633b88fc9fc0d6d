import type { DirectoryKind } from '../actors/directory/record.ts';

/** How an operation is spread over the federation: where it is executed, and who can answer it. */
export type OperationClass =
  | 'H' // the home of one partition
  | 'H/G' // like H if the network belongs to a partition; a global network has a home of its own
  | 'F' // every partition, answers merged
  | 'F/H' // H if the body names a place, else F
  | 'D' // replicated directory, any site's copy
  | 'D+' // directory, create: the receiving site becomes home
  | 'D*' // directory, change: the entity's home
  | 'D+F' // directory, with numbers from all
  | 'C' // central service, through any site
  | 'C/H' // central service; H if the query names a machine
  | 'L'; // whoever receives it

/** What a request says about its place. */
export type Where =
  /** Whoever receives it; what is unreadable too, so that error texts stay in one place. */
  | 'any'
  /** The receiving site becomes the home of what is made. */
  | 'here'
  /** Every site, answers merged. */
  | 'all'
  /** The homes of global networks, answers merged. */
  | 'globals'
  | { readonly by: 'machine' | 'switch' | 'partition' | 'site'; readonly id: string }
  | {
      readonly by: 'network';
      readonly id: string;
      /** Where it goes if the network is a global one; `machine`: the partition of that machine. */
      readonly ifGlobal: 'home' | 'all' | 'here' | { readonly machine: string };
    }
  /** Canonical text of an address: its holder. `network`: decides if it belongs to a partition, else its home is asked last. */
  | { readonly by: 'address'; readonly id: string; readonly network?: string }
  | { readonly by: 'directory'; readonly kind: DirectoryKind; readonly id: string };

/** How the parts of an answer become one. */
export type Merge = 'concatenate' | 'issues' | 'images' | 'project' | 'audit';
