-- That the database was restored, in itself: whichever process takes the site over next must know it, whatever file it has. One
-- row; none: never restored.
create table if not exists standing (
  one boolean primary key default true check (one),
  incarnation int8 not null,
  restored timestamptz
);
