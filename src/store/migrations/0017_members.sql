-- Who added a member, who confirmed the account since, and which line does without that.

ALTER TABLE members ADD COLUMN made_by      UUID REFERENCES members (id); -- none: the first lead, or a recovery key added them
ALTER TABLE members ADD COLUMN confirmed_by UUID REFERENCES members (id); -- neither the member nor who added them

-- Lines whose approvals count without a third member, while they have fewer than three.
CREATE TABLE waivers (
    line   TEXT PRIMARY KEY,
    member UUID NOT NULL REFERENCES members (id)
);
