-- A stray may be a whole call: `sid` is the provider's name and id of the call then, and which recordings it has is asked.
ALTER TABLE strays ADD COLUMN whole_call BOOLEAN NOT NULL DEFAULT FALSE;
