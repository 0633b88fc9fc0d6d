-- What an actor loads of its addresses lies in the index: the rows themselves are read when they are asked for.
create index if not exists ip_owner_address on ip (scope, owner, address, standing) where not released;

drop index if exists ip_owner;
