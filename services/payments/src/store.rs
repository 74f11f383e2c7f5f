//! All SQL of payments, by the step of a payment's life.

mod attempts;
mod cash;
mod editors;
mod enquiries;
mod exceptions;
mod found;
mod funding;
mod holds;
mod limits;
mod orders;
mod overpayments;
mod pauses;
mod preparation;
mod preview;
mod proposals;
mod recovery;
mod release;
mod results;
mod returns;
mod runs;
mod schedule;
mod settlements;
mod withdrawals;
mod work;
mod year_end;

pub(crate) use attempts::{
    Begun, Key, Successor, attempts_at, begun, failed_ways, insert_attempts, latest_attempts,
    uncommitted, unpaid_lines,
};
pub(crate) use cash::{
    SignedReturn, count_results, insert_cash_return, insert_unclaimed, raise_unclaimed,
    unfetched_lines,
};
pub(crate) use editors::{insert_editors, is_editor};
pub(crate) use enquiries::{
    UnknownLine, hand_over, insert_enquiries, insert_standings, longest_unknown, take_unknown,
};
use exceptions::insert_exceptions;
pub(crate) use found::{FoundLine, find_lines};
pub(crate) use funding::{
    Committing, Funding, choose_lines, count_funded_lines, funded, hold_unfunded, holds_of_funded,
    insert_funding, insert_needs, open_needs, to_commit, unfunded_needs,
};
pub(crate) use holds::{
    EndedHold, HeldBy, Hold, Moved, ended_holds, free_lines, hold_lines, holds_of,
    parts_with_ended_holds,
};
pub(crate) use limits::{
    WaitingLimit, approve_limit, count_answer, insert_limit, lock_limit, take_tokens,
};
pub(crate) use orders::{WaitingOrder, approve_order, insert_order, lock_order, timetable};
pub(crate) use overpayments::{Cancelled, cancel_overpayments, open_overpayments};
pub(crate) use pauses::{
    lock_pause, lock_releasing, pause, paused_lines, resume, send_later, stop,
};
pub(crate) use preparation::{
    OpenChunk, Prepared, add_prepared, announce, finish_preparation, insert_lines,
    insert_obligation_exceptions, insert_obligations, obliged, open_chunks, set_roots,
    upsert_chunks,
};
pub(crate) use preview::{
    answered_guards, insert_answers, insert_differences, measures, set_largest, settle_comparison,
};
pub(crate) use proposals::{
    approvals_for, carry_out, delegation, end_delegation, insert_decision, insert_proposal,
    proposal,
};
pub(crate) use recovery::{
    Owed, close_over_recovered, insert_nettings, lock_case, lock_over_recovered, lock_recovered,
    nettings_of, open_over_recovered,
};
pub(crate) use release::{
    HeldFor, NextChunk, NotOut, chunk_sizes, next_chunks, not_out, open_wave, paused_places,
    plan_waves, set_released, set_stopped, stopped_by,
};
pub(crate) use results::{
    Refusal, add_matched, add_resolved, close_contradiction, close_unknown, count_answers,
    insert_breaks, insert_result_refusals, insert_results, is_contradicted, lock_chunks,
    open_contradictions,
};
pub(crate) use returns::{
    EndedCase, Recovered, Return, end_overpayments, insert_returns, netted_before,
};
pub(crate) use runs::{
    Act, Ends, SeriesRun, acts_of, close_run, count_approvals, insert_act, insert_appropriation,
    insert_run, local_by_province, lock_parts, lock_run, lock_series, lock_unreleased, restate_run,
    run_ends, sent_back_by, series_of, set_state, void_approvals,
};
pub(crate) use schedule::{
    PassedDeadline, Settled, booked_on, lock_schedule, plan, planned_years, raise_alarms, run_of,
    settle, take_due_opening, take_passed_deadlines,
};
pub(crate) use settlements::{
    Settlement, enquiry_open, insert_settlement, insert_settlement_decision, open_settlement,
    settlement,
};
pub(crate) use withdrawals::{
    Excepted, Found, OpenException, insert_withdrawals, mark_to_issue_again, obligated,
    open_exceptions, open_of, resolve, resolve_recalls, turns, turns_before,
};
pub(crate) use work::{
    PartWork, open_unknown, overdue_chunks, payable_after, payable_chunks, payable_lines,
    set_overdue, set_reserved, take_part, unanswered,
};
pub(crate) use year_end::{approve_closing, insert_closing, lock_closing};

use chrono::NaiveDate;
use domain::{Institution, Money, Position, Programme, Province};
use events::WithdrawnLine;

use crate::recovery::Deduction;

pub(crate) fn programme_of(number: i16) -> Programme {
    Programme::from_number(number).expect("only programmes are stored")
}

fn province_of(number: i16) -> Province {
    Province::from_number(number).expect("only provinces are stored")
}

pub(crate) fn institution_of(number: i32) -> Institution {
    Institution::from_number(number).expect("only institutions are stored")
}

/// The schema keeps decision and amount together.
fn deduction_of(recovery_no: Option<i64>, amount: Money) -> Option<Deduction> {
    recovery_no.map(|recovery_no| Deduction {
        recovery_no,
        amount,
    })
}

/// Positions as columns, for `unnest`.
struct Columns {
    run_nos: Vec<i64>,
    chunks: Vec<i32>,
    lines: Vec<i32>,
}

impl Columns {
    fn of<'a>(positions: impl IntoIterator<Item = &'a Position>) -> Columns {
        let mut columns = Columns {
            run_nos: Vec::new(),
            chunks: Vec::new(),
            lines: Vec::new(),
        };
        for position in positions {
            columns.run_nos.push(position.run.0);
            columns.chunks.push(position.chunk.0);
            columns.lines.push(position.line.0);
        }
        columns
    }
}

/// Obligation keys as columns, for `unnest`.
struct Keys {
    programmes: Vec<i16>,
    periods: Vec<NaiveDate>,
    persons: Vec<i64>,
    determinations: Vec<i16>,
    turns: Vec<i16>,
}

impl Keys {
    fn of<'a>(lines: impl IntoIterator<Item = &'a WithdrawnLine>) -> Keys {
        let mut keys = Keys {
            programmes: Vec::new(),
            periods: Vec::new(),
            persons: Vec::new(),
            determinations: Vec::new(),
            turns: Vec::new(),
        };
        for line in lines {
            keys.programmes.push(line.programme.number());
            keys.periods.push(line.period.first_day());
            keys.persons.push(line.person_no.0);
            keys.determinations.push(line.determination_no);
            keys.turns.push(line.turn);
        }
        keys
    }
}
