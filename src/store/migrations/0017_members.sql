-- Who added a member, who confirmed the account since, and which line does without that.

ALTER TABLE members ADD COLUMN made_by      UUID REFERENCES members (id); -- the member itself: the first lead; none: a recovery key added them
ALTER TABLE members ADD COLUMN confirmed_by UUID REFERENCES members (id); -- a member who does not come from the same one

-- Lines whose approvals count without a third member, while they have fewer than three.
CREATE TABLE waivers (
    line   TEXT PRIMARY KEY,
    member UUID NOT NULL REFERENCES members (id)
);
