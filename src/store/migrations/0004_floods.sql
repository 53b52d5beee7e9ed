-- Floods: thousands of calls without a message, and what is asked of the database while they come in.

-- How many calls came in which hour, and how many of them left no message: what the rows of reports and calls tell,
-- added up, so that nobody has to count them for each page.
CREATE TABLE call_hours (
    line            TEXT NOT NULL,
    hour            TIMESTAMPTZ NOT NULL, -- line time, as reports.received_hour
    answered        BIGINT NOT NULL,
    without_message BIGINT NOT NULL,
    PRIMARY KEY (line, hour)
);
INSERT INTO call_hours (line, hour, answered, without_message)
    SELECT reports.line, received_hour, COUNT(*), SUM(CASE WHEN reference IS NULL AND settled AND NOT added THEN 1 ELSE 0 END)
    FROM reports JOIN calls ON calls.report = reports.id GROUP BY reports.line, received_hour;

CREATE INDEX reports_without_message ON reports (line, received_hour, id) WHERE reference IS NULL;
CREATE INDEX entries_of_callers ON entries (id) WHERE kind = 'caller';
CREATE INDEX calls_with_caller ON calls (id) WHERE addition_caller IS NOT NULL;
-- With an index on the report alone SQLite reads the whole trail of the line instead, which is in the right order.
DROP INDEX audit_by_report;
CREATE INDEX audit_by_report ON audit (line, report, seq);
