-- A network of both families is full when one of them is: what is taken is noted by family, of super networks too. Beyond
-- int8, and only for a rate, so it may be rounded. Rows from before have neither.
alter table growth add column if not exists taken_ipv4 float8;

alter table growth add column if not exists taken_ipv6 float8;
