//! All SQL of reconciliation.

mod heard;
mod matching;
mod statements;

pub(crate) use heard::{Instructed, close_run, insert_instructions, insert_results};
pub(crate) use matching::{
    Received, claim_part, compare, finish_statement, first_open_entry, insert_breaks,
    insert_matched_part, insert_matches, mentioned_runs, missing, received_statements,
};
pub(crate) use statements::{
    Claimed, State, claim_arriving, complete_statements, has_page, insert_entries, insert_page,
    insert_refusal, insert_statement, previous_closing, receive, refuse, standing,
};
