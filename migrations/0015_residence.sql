-- Where people live, as files and life events said one after the other.

CREATE TABLE eligibility.residences (
    part       smallint    NOT NULL,
    person_no  bigint      NOT NULL,
    version    smallint    NOT NULL CHECK (version > 0),
    province   smallint    NOT NULL,
    -- NULL where nobody said more than the province.
    commune    integer,
    -- Who said it: a registry file, or a move that was told as a life event.
    import_no  bigint,
    event_id   text,
    known_from timestamptz NOT NULL,
    known_to   timestamptz,
    PRIMARY KEY (part, person_no, version),
    CHECK (part = person_no % 16),
    CHECK ((import_no IS NULL) <> (event_id IS NULL)),
    CHECK (known_to >= known_from)
);
CREATE UNIQUE INDEX one_residence ON eligibility.residences (part, person_no)
    WHERE known_to IS NULL;

-- Where a person who moved lives from then on, where the teller says so.
ALTER TABLE eligibility.life_events
    ADD COLUMN province smallint,
    ADD COLUMN commune  integer,
    ADD CONSTRAINT commune_has_province CHECK (commune IS NULL OR province IS NOT NULL),
    ADD CONSTRAINT place_of_move CHECK (province IS NULL OR kind = 'moved');

GRANT SELECT, INSERT ON eligibility.residences TO ansinh_eligibility;
GRANT UPDATE (known_to) ON eligibility.residences TO ansinh_eligibility;
