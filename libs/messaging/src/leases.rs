//! One owner at a time for each unit of a service's work, whatever the number of its instances.
//!
//! An instance takes its fair share of what is free, renews all of it by one row a second, and
//! gives back what is more than its share. Who says nothing for [`LIFE`], or whose session has
//! ended, loses everything; the database's clock decides. A lease alone keeps nobody from writing, because its owner may sleep
//! and wake: the fence is the epoch in the rows that the work moves (`cursors`, `published`), which
//! each owner raises before it begins, so that an earlier one finds its rows no more.

mod fair_share;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::store::{self, Standing};
use crate::{Error, Wires, meter};
use fair_share::{Decided, Hold, Situation};

/// After which an instance that says nothing is dead; one whose process ended is at once.
const LIFE: Duration = Duration::from_millis(3_500);
/// So much later the locks of what it had in hand are taken from it. It may be only slow.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two signs of life: two may be missed before others take over.
const RENEWAL: Duration = Duration::from_secs(1);
/// What is wanted in one moment is taken in one round.
const GATHER: Duration = Duration::from_millis(10);
/// For one round: whoever hangs longer begins again on a new connection.
const ROUND_MAX: Duration = Duration::from_secs(2);
/// At the end, for what is in hand.
const LEAVE_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

/// What one instance of a service does at a time; those of a group are shared out evenly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit {
    pub group: String,
    /// Unlike that of any other unit, of whatever service.
    pub name: String,
}

/// An instance of a service, and what it holds.
#[derive(Debug, Clone)]
pub struct Leases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: String,
    instance: Uuid,
    /// What is wanted here, and how often.
    wanted: Mutex<BTreeMap<Unit, usize>>,
    news: Notify,
    held: watch::Sender<Epochs>,
}

/// The units that are ours, each with its epoch.
type Epochs = BTreeMap<String, i64>;

impl Leases {
    pub fn new(service: impl Into<String>) -> Leases {
        Leases(Arc::new(Inner {
            service: service.into(),
            instance: Uuid::now_v7(),
            wanted: Mutex::default(),
            news: Notify::new(),
            held: watch::Sender::default(),
        }))
    }

    /// Names this instance in `messaging.leases`.
    pub fn instance(&self) -> Uuid {
        self.0.instance
    }

    pub(crate) fn service(&self) -> &str {
        &self.0.service
    }

    /// Wants a unit for as long as the claim lives.
    pub(crate) fn claim(&self, unit: Unit) -> Claim {
        *self.wanted().entry(unit.clone()).or_default() += 1;
        self.0.news.notify_one();
        Claim {
            held: self.0.held.subscribe(),
            leases: self.clone(),
            unit,
        }
    }

    fn wanted(&self) -> MutexGuard<'_, BTreeMap<Unit, usize>> {
        // Counts are whole whoever panicked beside them.
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is held by what is held now, and tells what changed.
    fn hold(&self, now: Epochs) {
        let mut changed = (0, 0);
        self.0.held.send_if_modified(|held| {
            let is_new = |(unit, epoch): &(&String, &i64)| held.get(*unit) != Some(epoch);
            let is_gone = |(unit, epoch): &(&String, &i64)| now.get(*unit) != Some(epoch);
            changed = (
                now.iter().filter(is_new).count(),
                held.iter().filter(is_gone).count(),
            );
            *held = now;
            changed != (0, 0)
        });
        let (taken, lost) = changed;
        if changed != (0, 0) {
            let (service, units) = (self.service(), self.0.held.borrow().len());
            tracing::info!(service, instance = %self.instance(), taken, lost, units, "Units changed hands");
            meter::units(service, units);
        }
    }
}

/// One who wants a unit.
#[derive(Debug)]
pub(crate) struct Claim {
    leases: Leases,
    unit: Unit,
    held: watch::Receiver<Epochs>,
}

impl Claim {
    /// The epoch of our lease; `None` while it is another's.
    pub(crate) fn epoch(&self) -> Option<i64> {
        self.held.borrow().get(&self.unit.name).copied()
    }

    /// Waits until the unit is ours.
    pub(crate) async fn until_held(&self) -> i64 {
        loop {
            let mut held = self.held.clone();
            let now = held.borrow_and_update().get(&self.unit.name).copied();
            if let Some(epoch) = now {
                return epoch;
            }
            changed(&mut held).await;
        }
    }

    /// Waits until the lease of that epoch is ours no more.
    pub(crate) async fn until_lost(&self, epoch: i64) {
        loop {
            let mut held = self.held.clone();
            let now = held.borrow_and_update().get(&self.unit.name).copied();
            if now != Some(epoch) {
                return;
            }
            changed(&mut held).await;
        }
    }

    /// Waits until anything of what this instance holds changes.
    pub(crate) async fn until_changed(&mut self) {
        changed(&mut self.held).await;
    }

    /// A later owner has begun: the lease is not ours whatever we believed.
    pub(crate) fn fenced(&self, epoch: i64) {
        let (service, unit) = (self.leases.service(), &self.unit.name);
        let fenced = self.leases.0.held.send_if_modified(|held| {
            let is_that = held.get(unit) == Some(&epoch);
            if is_that {
                held.remove(unit);
            }
            is_that
        });
        if fenced {
            tracing::warn!(service, unit, epoch, "Another instance does this by now");
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut wanted = self.leases.wanted();
        if let Some(count) = wanted.get_mut(&self.unit) {
            *count -= 1;
            if *count == 0 {
                wanted.remove(&self.unit);
                self.leases.0.news.notify_one();
            }
        }
    }
}

async fn changed(held: &mut watch::Receiver<Epochs>) {
    if held.changed().await.is_err() {
        // Nobody keeps the leases any more, so nothing will change.
        std::future::pending::<()>().await;
    }
}

impl Wires {
    /// Keeps the leases of this instance until the process stops and all that needed them has
    /// ended; one such task an instance.
    pub async fn keep_leases(self) {
        let mut keeper = Keeper {
            leases: self.leases.clone(),
            wires: self,
            connection: None,
        };
        let stop = keeper.wires.stop.clone();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = keeper.leases.0.news.notified() => sleep(GATHER).await,
                () = sleep(RENEWAL) => {}
            }
            keeper.keep().await;
        }
        keeper.leave().await;
    }
}

struct Keeper {
    leases: Leases,
    wires: Wires,
    /// Its own, so that a sign of life never waits behind work.
    connection: Option<PgConnection>,
}

impl Keeper {
    /// One round, if there is anything to hold or to give back.
    async fn keep(&mut self) {
        let is_idle = self.leases.wanted().is_empty() && self.leases.0.held.borrow().is_empty();
        if is_idle {
            return;
        }
        let failed = match timeout(ROUND_MAX, self.round()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", ROUND_MAX.as_secs()),
        };
        // A round that was given up may have an answer on its way.
        self.connection = None;
        let service = self.leases.service();
        tracing::warn!(service, error = failed, "Leases are not renewed");
    }

    async fn round(&mut self) -> Result<(), Error> {
        let leases = self.leases.clone();
        let (instance, service) = (leases.instance(), leases.service());
        let wanted: Vec<Unit> = leases.wanted().keys().cloned().collect();
        let mut groups: Vec<String> = wanted.iter().map(|it| it.group.clone()).collect();
        groups.dedup();
        let mut names: Vec<String> = wanted.iter().map(|it| it.name.clone()).collect();
        // What nobody here wants any more is looked at as well, to be given back.
        names.extend(leases.0.held.borrow().keys().cloned());
        names.sort();
        names.dedup();
        let connection = self.connected().await?;
        let alive = store::announce(connection, (instance, service), &groups, LIFE).await?;
        let standings = store::standings(connection, instance, &names).await?;
        let (mut ours, decided) = decide(instance, &alive, &wanted, standings);
        for unit in &decided.give_back {
            ours.remove(unit);
        }
        // Who works at what is given back ends with it before others begin.
        leases.hold(ours.clone());
        if !decided.give_back.is_empty() {
            store::give_back_leases(connection, instance, &decided.give_back).await?;
        }
        if !decided.take.is_empty() {
            ours.extend(store::take_leases(connection, instance, &decided.take).await?);
            leases.hold(ours);
        }
        let dead = store::dead(connection, service, PATIENCE).await?;
        if !dead.is_empty() {
            let sessions = store::bury(connection, &dead).await?;
            let instances = dead.len();
            tracing::warn!(
                service,
                instances,
                sessions,
                "Instances said nothing any more"
            );
        }
        Ok(())
    }

    async fn connected(&mut self) -> Result<&mut PgConnection, Error> {
        let connection = match self.connection.take() {
            Some(it) => it,
            None => connect(&self.wires).await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Gives all back once nobody works any more.
    async fn leave(&mut self) {
        let deadline = Instant::now() + LEAVE_MAX;
        let mut renewed = Instant::now();
        while !self.leases.wanted().is_empty() && Instant::now() < deadline {
            sleep(LOOK).await;
            if renewed.elapsed() >= RENEWAL {
                renewed = Instant::now();
                self.keep().await;
            }
        }
        let instance = self.leases.instance();
        if self.connection.is_none() {
            return;
        }
        self.leases.hold(Epochs::new());
        let left = async {
            let connection = self.connected().await?;
            store::leave(connection, instance).await
        };
        if let Ok(Ok(())) = timeout(ROUND_MAX, left).await {
            return;
        }
        let service = self.leases.service();
        tracing::warn!(
            service,
            "Leases were not given back; they end by themselves"
        );
    }
}

/// What is ours as the database has it, and what is to be changed.
fn decide(
    instance: Uuid,
    alive: &[(Uuid, Vec<String>)],
    wanted: &[Unit],
    standings: Vec<Standing>,
) -> (Epochs, Decided) {
    let of = |unit: &Unit| standings.iter().find(|it| it.unit == unit.name);
    let hold = |unit| match of(unit) {
        Some(Standing { epoch: Some(_), .. }) => Hold::Ours,
        Some(Standing { is_free: true, .. }) | None => Hold::Free,
        Some(_) => Hold::Others,
    };
    let situation = Situation {
        instance,
        alive,
        wanted: wanted.iter().map(|it| (it, hold(it))).collect(),
    };
    let mut decided = situation.decide();
    let mut ours = Epochs::new();
    for it in standings {
        let Some(epoch) = it.epoch else { continue };
        if !wanted.iter().any(|unit| unit.name == it.unit) {
            decided.give_back.push(it.unit.clone());
        }
        ours.insert(it.unit, epoch);
    }
    (ours, decided)
}

async fn connect(wires: &Wires) -> Result<PgConnection, Error> {
    let mut connection = PgConnection::connect(&wires.database_url).await?;
    if let Some(role) = &wires.role {
        store::set_role(&mut connection, role).await?;
    }
    store::lock_session(&mut connection).await?;
    Ok(connection)
}
