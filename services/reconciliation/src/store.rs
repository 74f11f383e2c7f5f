//! All SQL of reconciliation.

mod cases;
mod closings;
mod exact;
mod freezes;
mod heard;
mod joins;
mod matching;
mod missing;
mod statements;

pub(crate) use cases::{
    Proposal, case, close_shown, insert_decision, insert_matches_of, insert_proposal,
    insert_resolutions, late_results, lock_cases, proposal, standings,
};
pub(crate) use closings::{
    Hindrances, Kept, books, closing, closing_before, equation, hindrances, insert_closing, stated,
    suspended,
};
pub(crate) use exact::{first_open_entry, settle_exact};
pub(crate) use freezes::{freeze, thaw_by_officer, thaw_by_statement};
pub(crate) use heard::{
    Instructed, InstructedLine, close_run, insert_clearing, insert_instructions, insert_results,
};
pub(crate) use joins::{join_by_hash, look_up_by_key};
pub(crate) use matching::{
    Received, claim_part, compare, contradicted, finish_statement, insert_breaks, insert_hits,
    insert_matched_part, received_statements, turnover,
};
pub(crate) use missing::{mentioned_runs, missing};
pub(crate) use statements::{
    Claimed, State, claim_arriving, complete_statements, has_page, insert_entries, insert_page,
    insert_refusal, insert_statement, previous_closing, receive, refuse, standing,
};
