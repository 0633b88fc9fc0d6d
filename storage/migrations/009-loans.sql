-- Addresses that are lent, borrowed, on their way back, or kept back after their release.
alter table ip add column if not exists standing text;

create index if not exists ip_standing on ip (scope, standing) where standing is not null;
