use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Officer, Part};
use events::{Event, HoldReason, LinkChange, LinksChanged};
use sqlx::PgConnection;

use crate::link::{Kind, Link, LinkId, Signal, State};
use crate::settings::Terms;
use crate::store::{self, AccountKey, NewChannel, NewReview, NewStep, Notice};
use crate::{Error, refusal::RefusalCode};

/// Steps of links and all that follows from them, gathered and then written at once.
#[derive(Debug)]
pub(crate) struct Changes {
    now: DateTime<Utc>,
    terms: Terms,
    steps: Vec<NewStep>,
    ended: Vec<LinkId>,
    begun: Vec<NewChannel>,
    notices: Vec<Notice>,
    reviews: Vec<NewReview>,
    told: BTreeMap<Part, Vec<LinkChange>>,
    /// A first account from a verified list is no news to the person, who chose it.
    in_bulk: bool,
}

/// Who makes a link step on, and from when it is so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doing<'a> {
    pub actor: &'a str,
    pub valid_from: DateTime<Utc>,
}

impl Changes {
    pub fn new(now: DateTime<Utc>, terms: Terms) -> Changes {
        Changes {
            now,
            terms,
            steps: Vec::new(),
            ended: Vec::new(),
            begun: Vec::new(),
            notices: Vec::new(),
            reviews: Vec::new(),
            told: BTreeMap::new(),
            in_bulk: false,
        }
    }

    /// For lists: only who had an account before is told of the new one.
    pub fn in_bulk(self) -> Changes {
        Changes {
            in_bulk: true,
            ..self
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// A link that is there from now on, as its first step.
    pub fn request(&mut self, link: &mut Link, actor: &str) {
        link.state = State::Requested;
        link.step = 1;
        let doing = Doing {
            actor,
            valid_from: self.now,
        };
        self.tell(link, doing, (None, None));
    }

    /// Something happens to a link, which is neither its beginning nor its end as a channel.
    ///
    /// # Errors
    /// What does not fit where it stands.
    pub fn happen(
        &mut self,
        link: &mut Link,
        signal: Signal,
        doing: Doing<'_>,
    ) -> Result<(), Error> {
        let was = link.state;
        link.state = was.on(signal)?;
        link.step += 1;
        self.tell(link, doing, (None, None));
        if matches!(was, State::Linked) {
            self.ended.push(link.id);
            self.notice(link.id, link.id.link_no, link.state.as_str());
        }
        Ok(())
    }

    /// The person is paid to the link from now on. Of the person's other links, a former
    /// social-security account gives way to a new one. Whoever was paid to an account before
    /// waits out the cooling-off, counted from when the link was first linked: an account that
    /// has ended meanwhile still counts, and a suspension shortens nothing.
    ///
    /// # Errors
    /// What does not fit where it stands.
    pub fn confirm(
        &mut self,
        link: &mut Link,
        others: &mut [&mut Link],
        rank: i16,
        doing: Doing<'_>,
    ) -> Result<(), Error> {
        let signal = match link.state {
            State::Suspended(_) => Signal::Resumed,
            _ => Signal::Confirmed,
        };
        link.state = link.state.on(signal)?;
        link.step += 1;
        let mut former = None;
        let replaces = link.kind == Kind::Ssa;
        for other in others.iter_mut().filter(|_| replaces) {
            let was_paid = other.state == State::Linked;
            if other.kind != Kind::Ssa || !(was_paid || matches!(other.state, State::Suspended(_)))
            {
                continue;
            }
            former = Some(other.id.link_no);
            other.state = other.state.on(Signal::Superseded)?;
            other.step += 1;
            self.tell(other, doing, (None, None));
            if was_paid {
                self.ended.push(other.id);
            }
        }
        self.tell(link, doing, (Some(rank), former));
        let since = *link.first_linked_at.get_or_insert(self.now);
        // What was paid to before this one began; a link that came back is no newer for that.
        let changed = others
            .iter()
            .any(|it| it.first_linked_at.is_some_and(|first| first <= since));
        let cooled_off = since + self.terms.cooling_off;
        self.begun.push(NewChannel {
            link: link.id,
            rank,
            channel: link.channel,
            institution: link.institution,
            account_sealed: link.account_sealed.clone(),
            account_index: link.account_index,
            holder_sealed: link.holder_sealed.clone(),
            changed_by: link.changed_by.as_deref().and_then(|it| it.parse().ok()),
            payable_from: (changed && cooled_off > self.now).then_some(cooled_off),
        });
        if let Some(former) = former {
            self.notice(link.id, former, "replaced");
        }
        if former.is_some() || !self.in_bulk {
            self.notice(link.id, link.id.link_no, "linked");
        }
        Ok(())
    }

    pub fn review(&mut self, kind: &'static str, link: LinkId, detail: String) {
        self.reviews.push(NewReview { kind, link, detail });
    }

    fn notice(&mut self, about: LinkId, told_at: i16, what: &'static str) {
        self.notices.push(Notice {
            about,
            told_at,
            what,
        });
    }

    fn tell(
        &mut self,
        link: &Link,
        doing: Doing<'_>,
        (rank, notified_too): (Option<i16>, Option<i16>),
    ) {
        self.steps.push(NewStep {
            id: link.id,
            step: link.step,
            state: link.state,
            actor: doing.actor.to_owned(),
            valid_from: doing.valid_from,
            rank,
        });
        let changes = self.told.entry(link.id.person_no.part()).or_default();
        changes.push(LinkChange {
            person_no: link.id.person_no,
            link_no: link.id.link_no,
            step: link.step,
            kind: link.kind.as_str().to_owned(),
            institution: link.institution,
            channel: link.channel,
            state: link.state.as_str().to_owned(),
            code: link.state.code().map(|it| it.as_str().to_owned()),
            valid_from: doing.valid_from,
            notified_too,
        });
    }

    /// Writes everything, holds what is doubtful, and gives back what is to be said of it.
    pub async fn write(self, tx: &mut PgConnection) -> Result<Vec<Event>, Error> {
        let (now, terms) = (self.now, self.terms);
        store::insert_steps(tx, &self.steps, now).await?;
        store::end_channels(tx, &self.ended).await?;
        store::begin_channels(tx, &self.begun, now).await?;
        store::insert_notices(tx, &self.notices, now).await?;
        store::open_reviews(tx, &self.reviews, now + terms.review, now).await?;
        let over: Vec<LinkId> = self
            .steps
            .iter()
            .filter(|it| it.state.is_ended())
            .map(|it| it.id)
            .collect();
        store::moot_reviews(tx, &over, None, "the link has ended", now).await?;
        hold_doubtful(tx, &self.begun, terms, now).await?;
        let told = self.told.into_iter();
        Ok(told
            .map(|(part, changes)| Event::of(&LinksChanged { part, changes }, now))
            .collect())
    }
}

/// New channels that the central bank warns of, or that too many people are paid to, are held,
/// and somebody has to look. Of a crowded account every link is held: which of them is the wrong
/// one is what has to be found out.
pub(crate) async fn hold_doubtful(
    tx: &mut PgConnection,
    begun: &[NewChannel],
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let account = |it: &NewChannel| (it.institution, it.account_index);
    let accounts: Vec<AccountKey> = begun.iter().map(account).collect();
    let due = now + terms.review;
    let suspected = store::suspected(tx, &accounts).await?;
    let doubted: Vec<LinkId> = begun
        .iter()
        .filter(|it| suspected.contains(&account(it)))
        .map(|it| it.link)
        .collect();
    hold(tx, &doubted, HoldReason::Suspicion, (due, now)).await?;
    let shared = store::shared(tx, &accounts, terms.people_per_account_max).await?;
    let links: Vec<LinkId> = shared.iter().map(|it| it.link).collect();
    hold(tx, &links, HoldReason::SharedAccount, (due, now)).await?;
    for it in &shared {
        store::raise_alarm(tx, "shared_account", &it.link.to_string(), it.people, now).await?;
    }
    Ok(())
}

/// Holds links and opens a review for each.
pub(crate) async fn hold(
    tx: &mut PgConnection,
    links: &[LinkId],
    reason: HoldReason,
    (due, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Error> {
    if links.is_empty() {
        return Ok(());
    }
    store::hold_channels(tx, links, reason, due).await?;
    let reviews: Vec<NewReview> = links
        .iter()
        .map(|link| NewReview {
            kind: match reason {
                HoldReason::SharedAccount => "shared_account",
                _ => "suspicion",
            },
            link: *link,
            detail: reason.code().to_owned(),
        })
        .collect();
    store::open_reviews(tx, &reviews, due, now).await
}

/// What suspends a link that somebody has looked at and not accepted.
pub(crate) fn suspended_for(kind: &str) -> RefusalCode {
    match kind {
        "suspicion" => RefusalCode::Suspicion,
        "shared_account" => RefusalCode::SharedAccount,
        "account_restricted" => RefusalCode::AccountRestricted,
        "renamed" => RefusalCode::NameDiffers,
        _ => RefusalCode::ReviewRefused,
    }
}

/// How an officer is named in a link's steps.
pub(crate) fn officer_actor(officer: &Officer) -> String {
    format!("officer:{officer}")
}
