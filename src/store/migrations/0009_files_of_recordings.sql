-- A sealed recording's file has a random name of its own, committed with the row: a second file never replaces the first.

ALTER TABLE recordings ADD COLUMN file UUID;  -- `{file}.age` in the folder of recordings, when sealed
UPDATE recordings SET file = id WHERE state = 'sealed';
