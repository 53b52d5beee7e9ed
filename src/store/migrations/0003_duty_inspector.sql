-- Speaking to the duty inspector: who is on the telephone now, and whether anybody took the call.

ALTER TABLE calls ADD COLUMN at_duty BOOLEAN NOT NULL DEFAULT FALSE;  -- the roster is rung, or one of it speaks with the caller
ALTER TABLE calls ADD COLUMN taken_step INTEGER;                      -- the step that rang whoever took the call
CREATE INDEX calls_running ON calls (line, ended);
