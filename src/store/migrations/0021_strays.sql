-- A stray is settled by a job, whose subject is `id`. `call` is the provider's name and id of its call, where it is known.
ALTER TABLE strays ADD COLUMN id UUID;
ALTER TABLE strays ADD COLUMN call BYTEA;
CREATE UNIQUE INDEX strays_by_id ON strays (id);
