-- When a checkpoint was there, by the word of an authority with a clock (RFC 3161).

CREATE TABLE proof.time_stamps (
    size       bigint      NOT NULL REFERENCES proof.checkpoints,
    authority  text        NOT NULL,
    -- One of several that stamped this checkpoint: names its file beside the log.
    number     smallint    NOT NULL CHECK (number > 0),
    -- The whole TimeStampResp, as it was answered.
    response   bytea       NOT NULL,
    stamped_at timestamptz NOT NULL,
    kept_at    timestamptz NOT NULL,
    PRIMARY KEY (size, authority),
    CONSTRAINT one_file_a_stamp UNIQUE (size, number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proof.time_stamps
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER "evident_time-stamp" AFTER INSERT ON proof.time_stamps
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION proof.enter('time-stamp', '21',
        'f.size || ''/'' || f.number', 'jsonb_build_array(f.size, f.authority, f.number, '
        'sha256(f.response), f.stamped_at, f.kept_at)', 'NULL::bytea');
GRANT SELECT, INSERT ON proof.time_stamps TO ansinh_audit;

CREATE VIEW audit.time_stamps AS
SELECT size, number, authority, stamped_at, kept_at, encode(response, 'hex') AS response
FROM proof.time_stamps;
COMMENT ON VIEW audit.time_stamps IS
    'Dấu thời gian RFC 3161 trên điểm kiểm tra của nhật ký. Time stamps of the log''s checkpoints.';
COMMENT ON COLUMN audit.time_stamps.size IS 'Số lá của nhật ký · Leaves of the log';
COMMENT ON COLUMN audit.time_stamps.number IS 'Số thứ tự của dấu · Number of the stamp';
COMMENT ON COLUMN audit.time_stamps.authority IS 'Tổ chức cấp dấu thời gian · Who stamped it';
COMMENT ON COLUMN audit.time_stamps.stamped_at IS 'Thời điểm trong dấu · Time in the stamp';
COMMENT ON COLUMN audit.time_stamps.kept_at IS 'Thời điểm nhận dấu · When it was kept';
COMMENT ON COLUMN audit.time_stamps.response IS 'Dấu thời gian, hex · The stamp (TimeStampResp), hex';
GRANT SELECT ON audit.time_stamps TO ansinh_auditor;
