// Where things are, as far as this process knows: the partition of a machine, the holder of an address. Fed by the
// rows at the start and by the log afterwards; what it does not know is asked of the other sites (locate.ts).

export interface NetworkPlace {
  /** Partition of the network; '' for a global one. */
  partition: string;
  /** Site that owns it. */
  home: string;
}

export interface AddressPlace {
  network: string;
  /** Partition whose actor holds the address's range. */
  partition: string;
  /** Which kind of actor holds it there. */
  holder: 'network' | 'block';
  /** It is this one address, that one partition lent to another. */
  isLoan?: true;
  /** It was asked for, and may come: nothing is known of it here yet. */
  isWanted?: true;
  /** Set: the range is held here, but the address is lent to this other site. */
  site?: string;
}

export interface Places {
  /** Partition of a machine hosted here. */
  machine(id: string): string | undefined;
  switch(id: string): string | undefined;
  /** Networks hosted here, and all global ones that the directory copy knows. */
  network(id: string): NetworkPlace | undefined;
  /** The holder here of an address in canonical text; undefined when none of ours holds its range. */
  address(text: string): AddressPlace | undefined;
  /** The partition here that an address comes to, or goes away from, by a loan; only for what nobody else has. */
  passing(text: string): AddressPlace | undefined;
  /** The site that hosts a partition. */
  partition(id: string): string | undefined;
  /** Partitions hosted here. */
  hosted(): string[];
}
