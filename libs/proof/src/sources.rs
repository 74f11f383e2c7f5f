//! Of which rows the database enters evidence: the same expressions as in the migration that has it
//! do so, so that whoever verifies does not ask the database what it should have entered.

/// Rows of evidence, each over the row `f`.
pub(crate) struct Source {
    pub name: &'static str,
    /// What stands behind `FROM`.
    pub rows: &'static str,
    pub lane: &'static str,
    pub key: &'static str,
    pub content: &'static str,
    pub root: &'static str,
}

const NO_ROOT: &str = "NULL::bytea";

pub(crate) const SOURCES: [Source; 20] = [
    Source {
        name: "journal",
        rows: "ledger.journals f",
        lane: "f.part",
        key: "f.part || '/' || f.seq",
        content: "jsonb_build_array(f.part, f.seq, f.kind, f.reference, f.run_no, f.lines, f.total, \
                  f.hash, f.recorded_at)",
        root: "f.root",
    },
    Source {
        name: "act",
        rows: "payments.acts f",
        lane: "16",
        key: "f.act_no::text",
        content: "jsonb_build_array(f.act_no, f.run_no, f.officer, f.act, f.root, f.lines, f.total, \
                  f.reason, f.acted_at, f.key_no, f.statement, f.signature, f.principal, f.delegation_no)",
        root: NO_ROOT,
    },
    Source {
        name: "act-voided",
        rows: "payments.acts f WHERE f.voided_at IS NOT NULL",
        lane: "16",
        key: "f.act_no::text",
        content: "jsonb_build_array(f.act_no, f.voided_at)",
        root: NO_ROOT,
    },
    Source {
        name: "proposal",
        rows: "payments.proposals f",
        lane: "16",
        key: "f.proposal_no::text",
        content: "jsonb_build_array(f.proposal_no, f.kind, f.proposed, f.maker, f.reason, \
                  f.proposed_at)",
        root: NO_ROOT,
    },
    Source {
        name: "decision",
        rows: "payments.proposal_decisions f",
        lane: "16",
        key: "f.proposal_no::text",
        content: "jsonb_build_array(f.proposal_no, f.officer, f.is_accepted, f.reason, f.key_no, \
                  f.statement, f.signature, f.decided_at)",
        root: NO_ROOT,
    },
    Source {
        name: "officer-key",
        rows: "approval.officer_keys f",
        lane: "16",
        key: "f.key_no::text",
        content: "jsonb_build_array(f.key_no, f.officer, f.public_key, f.registered_by, \
                  f.registered_at)",
        root: NO_ROOT,
    },
    Source {
        name: "approval",
        rows: "approval.decisions f",
        lane: "22",
        key: "f.kind || '/' || f.key",
        content: "jsonb_build_array(f.kind, f.key, f.maker, f.officer, f.is_accepted, f.reason, \
                  f.statement, f.key_no, f.signature, f.decided_at)",
        root: NO_ROOT,
    },
    Source {
        name: "law",
        rows: "eligibility.laws f",
        lane: "17",
        key: "f.law_no::text",
        content: "jsonb_build_array(f.law_no, f.sha256, f.maker, f.reason, f.proposed_at)",
        root: NO_ROOT,
    },
    Source {
        name: "law-approval",
        rows: "eligibility.laws f WHERE f.approved_at IS NOT NULL",
        lane: "17",
        key: "f.law_no::text",
        content: "jsonb_build_array(f.law_no, f.checker, f.approved_at)",
        root: NO_ROOT,
    },
    Source {
        name: "law-file",
        rows: "eligibility.law_files f",
        lane: "17",
        key: "f.law_no || '/' || f.path",
        content: "jsonb_build_array(f.law_no, f.path, sha256(convert_to(f.text, 'UTF8')))",
        root: NO_ROOT,
    },
    Source {
        name: "query",
        rows: "audit.queries f",
        lane: "18",
        key: "f.query_no::text",
        content: "jsonb_build_array(f.query_no, f.asked_by, f.question, f.parameters, f.asked_at)",
        root: NO_ROOT,
    },
    Source {
        name: "access",
        rows: "privacy.access_log f",
        lane: "18",
        key: "f.entry_no::text",
        content: "jsonb_build_array(f.entry_no, f.recorded_at, f.actor, f.role, f.purpose, \
                  f.case_ref, f.person_no, f.fields, f.unmasked, f.service)",
        root: NO_ROOT,
    },
    Source {
        name: "organisation-key",
        rows: "messaging.organisation_keys f",
        lane: "19",
        key: "f.key_no::text",
        content: "jsonb_build_array(f.key_no, f.organisation, f.public_key, f.valid_from, \
                  f.registered_by, f.registered_at)",
        root: NO_ROOT,
    },
    Source {
        name: "organisation-key-confirmation",
        rows: "messaging.organisation_key_confirmations f",
        lane: "19",
        key: "f.key_no::text",
        content: "jsonb_build_array(f.key_no, f.confirmed_by, f.confirmed_at)",
        root: NO_ROOT,
    },
    Source {
        name: "case-decision",
        rows: "reconciliation.decisions f",
        lane: "20",
        key: "f.proposal_no::text",
        content: "jsonb_build_array(f.proposal_no, f.proposed_by, f.officer, f.accepted, f.reason, \
                  f.decided_at)",
        root: NO_ROOT,
    },
    Source {
        name: "bank-day",
        rows: "reconciliation.closings f",
        lane: "20",
        key: "f.institution || '/' || f.date",
        content: "jsonb_build_array(f.institution, f.date, f.closing_no, f.hash, f.public_key, \
                  f.signature, f.officer, f.closed_at)",
        root: NO_ROOT,
    },
    Source {
        name: "checkpoint",
        // The last one is entered when the log has grown beyond it.
        rows: "proof.checkpoints f WHERE f.size < (SELECT max(size) FROM proof.checkpoints)",
        lane: "21",
        key: "f.size::text",
        content: "jsonb_build_array(f.size, f.root, f.note)",
        root: NO_ROOT,
    },
    Source {
        name: "time-stamp",
        rows: "proof.time_stamps f",
        lane: "21",
        key: "f.size || '/' || f.number",
        content: "jsonb_build_array(f.size, f.authority, f.number, sha256(f.response), f.stamped_at, \
                  f.kept_at)",
        root: NO_ROOT,
    },
    Source {
        name: "auditor",
        rows: "audit.admissions f",
        lane: "18",
        key: "f.admission_no::text",
        content: "jsonb_build_array(f.admission_no, f.login, f.is_admitted, f.ends_at, f.decided_by, \
                  f.reason, f.decided_at)",
        root: NO_ROOT,
    },
    Source {
        name: "message",
        rows: "messaging.received f",
        lane: "32 + f.part",
        key: "f.consumer || '/' || f.speaker || '/' || f.part || '/' || f.seq",
        content: "jsonb_build_array(f.event_id, f.subject, f.prev_hash, f.created_at, f.body_sha256, \
                  f.key_no, f.signature, f.received_at, sha256(f.body))",
        root: NO_ROOT,
    },
];
